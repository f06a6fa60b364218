"""The key `splits`: a folder, folds by group, or `loso`."""

from __future__ import annotations

from typing import Any

import pytest

from comodo.config import Config, ConfigError, FoldSettings, fold_folder, load


def config(splits: Any, layout: str = "table", **experiment: Any) -> Config:
    dataset = {"layout": layout, "root": "r", "splits": splits}
    if layout == "table":
        dataset["table"] = "t.csv"
    return load(
        {
            "datasets": {"d": dataset, "fixed": {"layout": "ego4d", "root": "f"}},
            "teachers": {"t": {"checkpoint": "t", "flip": experiment.pop("flip", 0)}},
            "students": {"s": {"checkpoint": "s"}},
            "experiments": {"e": {"dataset": "d", "teacher": "t", "student": "s", **experiment}},
        }
    )


def test_what_splits_may_be() -> None:
    assert config("a/folder").datasets["d"].folds is None
    assert config(None).datasets["d"].folds is None
    assert config("loso").datasets["d"].folds == FoldSettings(folds=None)
    assert config({"folds": 5, "by": "subject"}).datasets["d"].folds == FoldSettings(folds=5, by="subject")
    assert config("./loso").datasets["d"].splits == "./loso"  # a folder of that name


def test_the_folder_of_the_split_files() -> None:
    for splits, folder in [("x", "x"), (None, "r/splits"), ("loso", "r/splits"), ({"files": "x"}, "x")]:
        assert config(splits, "ego4d").datasets["d"].split_folder == folder


def test_what_is_computed_once_does_not_depend_on_the_folds() -> None:
    """As with a fixed split, so that both share clips, IMU and embeddings."""
    for layout, splits, fixed in [("table", "loso", None), ("ego4d", {"folds": 4, "files": "x"}, "x")]:
        assert config(splits, layout).datasets["d"].used({"splits"}) == {"splits": fixed}
    by = config({"folds": 4, "by": "subject"}).datasets["d"]
    assert by.used({"splits"}) == {"splits": None}
    assert by.used({"splits", "groups"})["splits"] == {"folds": None, "by": "subject", "files": None}
    assert config("loso").datasets["d"].used({"splits", "groups"}) == {"splits": None}


@pytest.mark.parametrize(
    ("splits", "layout", "message"),
    [
        (
            {"folds": 2},
            "table",
            r"^datasets\.d\.splits\.folds: Input should be greater than or equal to 3 \(got 2\)$",
        ),
        ({"fold": 3}, "table", r"^datasets\.d\.splits\.fold: unknown key; did you mean 'folds'\?$"),
        (5, "table", r"^datasets\.d\.splits: Input should be a valid string \(got 5\)$"),
        ({"by": "subject"}, "egoexo4d", r"splits\.by: the groups of this layout are its own \(session\)"),
        ({"files": "x"}, "table", r"splits\.files: the recordings of layout `table` are in its table"),
        ("loso", "uestc", "layout `uestc` has no groups"),
    ],
)
def test_faults_are_one_line(splits: Any, layout: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        config(splits, layout)
    assert "\n" not in str(error.value)
    config({"by": "subject"}, "ego4d")


def test_students_of_folds_are_evaluated_on_them_alone() -> None:
    with pytest.raises(ConfigError, match=r"experiments\.e\.eval_datasets: 'd' has folds"):
        config("loso", eval_datasets=["d", "fixed"])
    config("loso", eval_datasets=["d"])
    config("loso", dataset="fixed", eval_datasets=["fixed", "d"])


def test_clips_of_folds_are_not_mirrored() -> None:
    config("x", flip=0.5)
    with pytest.raises(ConfigError, match=r"teachers\.t\.flip: mirrors train clips, but 'd' has folds"):
        config("loso", flip=0.5)


def test_a_student_carries_its_fold() -> None:
    settings = config("loso")
    digests = {settings.trained_by("e", 1, fold) for fold in (None, 0, 1)}
    assert len(digests) == 3
    assert settings.trained_by("e", 1) == settings.trained_by("e", 1, None)
    assert [fold_folder(fold) for fold in (None, 0, 12)] == ["", "fold0/", "fold12/"]
