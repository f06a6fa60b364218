"""No command writes over an input, into a model's folder, or over a file of another kind."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from comodo.commands.cli import main
from comodo.commands.workflow import CONFIGS, RESULTS, add_result, run_experiment
from comodo.errors import CommandError, WriteError
from comodo.plan.rates import Rates
from comodo.storage.files import write_json
from tests.support.writers import write_processed_imu, write_splits

SPLITS = {s: [f"{s}{i}_1\t{'walk' if i % 2 else 'run'}" for i in range(8)] for s in ("train", "val", "test")}
FIGURES = {"decision": {"top1": 0.5, "top3": 0.75, "top5": 1.0}}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def student(golden: Path) -> Path:
    """A checkpoint folder of this test's own, so that a red test destroys none that others use."""
    return Path(shutil.copytree(golden / "ckpt/paris-noah-Mantis-tiny-nodropout", "student"))


def contents() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(Path().rglob("*")) if path.is_file()}


def refused(arguments: list[str | Path], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must fail in one line and leave every file as it is; returns the line."""
    before = contents()
    assert main([str(argument) for argument in arguments]) == 1
    told = capsys.readouterr().err
    assert contents() == before
    assert told.startswith("error: ")
    assert told.count("\n") == 1
    return told


def as_itself(given: Path) -> Path:
    return given


def by_another_path(given: Path) -> Path:
    return Path("x/..", given)


def symbolic_link(given: Path) -> Path:
    Path("link").symlink_to(given.absolute())
    return Path("link")


def linked_folder(given: Path) -> Path:
    Path("folder").symlink_to(given.parent.absolute())
    return Path("folder", given.name)


def hard_link(given: Path) -> Path:
    Path("hard").hardlink_to(given)
    return Path("hard")


WAYS = [as_itself, by_another_path, symbolic_link, linked_folder, hard_link]


@pytest.mark.parametrize("way", WAYS)
def test_embed_keeps_its_recordings(
    student: Path, way: Callable[[Path], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("x").mkdir()
    a, b = (write_processed_imu(Path(), name, np.arange(1200) / 200, 1e-3) for name in "ab")
    target = way(b)
    told = refused(["embed", "--student", student, "--imu", a, b, "--out", target], capsys)
    assert f"--out {target} is the input {b}" in told


@pytest.mark.parametrize("target", ["model.safetensors", "new.h5", "new/new.h5"])
@pytest.mark.parametrize("way", [as_itself, by_another_path, linked_folder])
def test_embed_keeps_its_student(
    student: Path, target: str, way: Callable[[Path], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("x").mkdir()
    imu = write_processed_imu(Path(), "a", np.arange(1200) / 200, 1e-3)
    out = way(student / "x").parent / target
    told = refused(["embed", "--student", student, "--imu", imu, "--out", out], capsys)
    assert f"--out {out} lies in the input student" in told


@pytest.mark.parametrize(("own", "target"), [("comodo.json", "deep/f.h5"), ("model.safetensors", "f.h5")])
def test_embed_writes_into_no_other_model(
    student: Path, own: str, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("other").mkdir()
    for name in ("config.json", own):
        Path("other", name).write_text("{}")
    imu = write_processed_imu(Path(), "a", np.arange(1200) / 200, 1e-3)
    out = Path("other", target)
    assert "other, a model's folder" in refused(
        ["embed", "--student", student, "--imu", imu, "--out", out], capsys
    )


def make_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["feature"] = [1.0]


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize(
    "make",
    [
        make_hdf5,
        lambda path: path.write_text("time,x\n"),
        Path.touch,
        Path.mkdir,
        os.mkfifo,
        make_socket,
        lambda path: path.symlink_to("/dev/null"),
        lambda path: path.symlink_to("nowhere"),
        lambda path: path.symlink_to(path.name),
    ],
    ids=["hdf5", "text", "empty", "folder", "fifo", "socket", "device", "dangling", "loop"],
)
def test_embed_and_plan_replace_only_what_they_wrote(
    student: Path, make: Callable[[Path], object], capsys: pytest.CaptureFixture[str]
) -> None:
    make(Path("there"))
    imu = write_processed_imu(Path(), "a", np.arange(1200) / 200, 1e-3)
    kind = Path("there").lstat().st_mode
    told = refused(["embed", "--student", student, "--imu", imu, "--out", "there"], capsys)
    assert "--out there " in told
    config, rates = plan_files()
    told = refused(["plan", config, "--rates", rates, "--save-rates", "there"], capsys)
    assert "--save-rates there " in told
    assert Path("there").lstat().st_mode == kind


def test_embed_replaces_its_own_file_also_through_a_link(student: Path) -> None:
    imu = write_processed_imu(Path(), "a", np.arange(2400) / 200, 1e-3)
    Path("store").mkdir()
    Path("out.h5").symlink_to("store/out.h5")
    command = ["embed", "--student", str(student), "--imu", str(imu), "--out"]
    assert main([*command, "store/out.h5"]) == 0
    assert main([*command, "out.h5", "--clip_s", "3"]) == 0
    assert Path("out.h5").is_symlink()
    with h5py.File("store/out.h5") as out:
        assert out["end_s"][0] == 3


def plan_files() -> tuple[Path, Path]:
    config = {
        "datasets": {"d": {"layout": "ego4d", "root": "x", "simulate": {}}},
        "students": {"s": {"architecture": "dlinear"}},
        "experiments": {"e": {"dataset": "d", "student": "s", "objective": "none"}},
    }
    Path("config.yaml").write_text(yaml.safe_dump(config))
    write_json(Rates(device="CPU").model_dump(mode="json"), Path("rates.json"))
    return Path("config.yaml"), Path("rates.json")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("which", [0, 1])
def test_plan_keeps_its_config_and_rates(
    which: int, way: Callable[[Path], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("x").mkdir()
    files = plan_files()
    target = way(files[which])
    told = refused(["plan", files[0], "--rates", files[1], "--save-rates", target], capsys)
    assert f"--save-rates {target} is the input {files[which]}" in told


def test_plan_replaces_rates() -> None:
    config, rates = plan_files()
    shutil.copy(rates, "kept.json")
    assert main(["plan", str(config), "--rates", str(rates), "--save-rates", "kept.json"]) == 0
    assert main(["plan", str(config), "--rates", str(rates), "--save-rates", "new/kept.json"]) == 0
    Path("device.json").write_text('{"device": "of something else"}')
    assert main(["plan", str(config), "--rates", str(rates), "--save-rates", "device.json"]) == 1


@pytest.mark.parametrize("command", [["session-disjoint"], ["make", "--group", "session"]])
@pytest.mark.parametrize("way", [as_itself, by_another_path, symbolic_link, hard_link])
def test_splits_keep_their_input(
    command: list[str], way: Callable[[Path], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where the very same content would be written."""
    Path("x").mkdir()
    write_splits(Path("given"), SPLITS)
    once = ["splits", *command, "--split-files", "given", "--into", "official"]
    assert main(once) == 0
    assert main(once) == 0  # the same again
    capsys.readouterr()
    into = way(Path("official")) if way is not hard_link else Path("copy")
    if way is hard_link:
        into.mkdir()
        (into / "train.txt").hardlink_to("official/train.txt")
    told = refused(["splits", *command, "--split-files", "official", "--into", into], capsys)
    assert f"--into {into}/train.txt is the input official/train.txt" in told


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere")])
def test_splits_replace_only_files(
    make: Callable[[Path], object], capsys: pytest.CaptureFixture[str]
) -> None:
    write_splits(Path("given"), SPLITS)
    Path("into").mkdir()
    make(Path("into/val.txt"))
    told = refused(["splits", "make", "--split-files", "given", "--into", "into"], capsys)
    assert "--into into/val.txt " in told
    assert "--into into/val.txt " in refused(
        ["splits", "fetch", "uestc", "--from", "given", "--into", "into"], capsys
    )


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere")])
def test_the_result_file_is_a_file(make: Callable[[Path], object]) -> None:
    RESULTS.parent.mkdir(parents=True)
    make(RESULTS)
    with pytest.raises(CommandError, match=r"the result file .*results\.json (exists and is not|is a link)"):
        add_result("org/imu", "ego4d_data", "", "COMODO", FIGURES, "decision")


def test_the_result_file_may_be_a_link() -> None:
    RESULTS.parent.mkdir(parents=True)
    Path("kept.json").write_text("{}")
    RESULTS.symlink_to(Path("kept.json").absolute())
    add_result("org/imu", "ego4d_data", "", "COMODO", FIGURES, "decision")
    assert RESULTS.is_symlink()
    assert list(json.loads(Path("kept.json").read_text())) == ["COMODO"]


def test_a_config_of_one_s_own_is_kept() -> None:
    CONFIGS.mkdir(parents=True)
    (CONFIGS / "e.yaml").write_text("# mine\n")
    with pytest.raises(CommandError, match=r"results/commands/e\.yaml exists and is not a config by"):
        run_experiment(yaml.safe_load(plan_files()[0].read_text()), [], _options())
    assert (CONFIGS / "e.yaml").read_text() == "# mine\n"


def _options() -> object:
    from comodo.commands.evaluate import parser

    return parser().parse_args([])


def test_a_folder_that_must_not_be_written_is_noticed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    with pytest.raises(WriteError, match=r"results\.json cannot be written \(Permission denied\)"):
        add_result("org/imu", "ego4d_data", "", "COMODO", FIGURES, "decision")


def test_a_file_instead_of_a_folder_is_named(student: Path, capsys: pytest.CaptureFixture[str]) -> None:
    imu = write_processed_imu(Path(), "a", np.arange(1200) / 200, 1e-3)
    told = refused(["embed", "--student", student, "--imu", imu, "--out", imu / "x/out.h5"], capsys)
    assert "a.npy is a file, not a folder" in told
