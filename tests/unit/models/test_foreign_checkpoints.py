"""Checkpoints as people have them: git-lfs pointers, code of their own, one mean for all colours, pretraining."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest
import torch

from comodo.config import TeacherSettings
from comodo.errors import ModelError
from comodo.models.students import load_student
from comodo.models.teachers import load_teacher
from tests.support import checkpoints

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 377\n"


@pytest.mark.parametrize("pointer", [POINTER, POINTER.replace("git-lfs", "hawser")])
@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "config.json", "SHA256SUMS"])
def test_a_git_lfs_pointer(golden: Path, tmp_path: Path, name: str, pointer: str) -> None:
    for load, source in ((load_teacher, "videomae-tiny"), (load_student, "paris-noah-Mantis-tiny")):
        folder = tmp_path / source
        shutil.copytree(golden / "ckpt" / source, folder)
        if name.endswith(".bin"):
            (folder / "model.safetensors").unlink(missing_ok=True)
        (folder / name).write_text(pointer)
        with pytest.raises(
            ModelError, match=rf"{name} is a git-lfs pointer.*run `git lfs pull` in .*{source}"
        ):
            load(folder)


def test_a_pointer_that_is_never_read(golden: Path, tmp_path: Path) -> None:
    folder = checkpoints.copy_of(golden, "videomae-tiny", tmp_path / "teacher")
    load_teacher(folder)._model.save_pretrained(folder)
    (folder / "pytorch_model.bin").write_text(POINTER)
    assert load_teacher(folder).dim == 32


def test_a_checkpoint_that_needs_its_own_code(tmp_path: Path) -> None:
    auto_map = {"AutoConfig": "modeling_config.Config", "AutoModel": "modeling.Model"}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "VideoMAEv2_Base", "auto_map": auto_map}))
    with pytest.raises(
        ModelError, match="needs Python code of its own checkpoint, which is never run"
    ) as caught:
        load_teacher(tmp_path)
    assert "\n" not in str(caught.value)
    with pytest.raises(
        ModelError, match="needs Python code of its own checkpoint, which is never run"
    ) as caught:
        load_student(tmp_path)
    assert "\n" not in str(caught.value)


def test_code_that_preprocesses_is_noted(
    golden: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = checkpoints.copy_of(golden, "videomae-tiny", tmp_path / "teacher")
    load_teacher(folder)
    assert "never run" not in caplog.text
    file = folder / "preprocessor_config.json"
    theirs = {"auto_map": {"AutoImageProcessor": "processing.Theirs"}}
    file.write_text(json.dumps(json.loads(file.read_text()) | theirs))
    assert load_teacher(folder).dim == 32
    assert "preprocessor_config.json names code of its own checkpoint, which is never run" in caplog.text


def test_code_beside_a_known_model_is_not_needed(golden: Path, tmp_path: Path) -> None:
    folder = checkpoints.copy_of(golden, "videomae-tiny", tmp_path / "teacher")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "modeling.Model"}}))
    assert load_teacher(folder).dim == 32


@pytest.mark.parametrize("mean", [0.5, [0.5, 0.5, 0.5]])
def test_one_mean_for_all_colours(golden: Path, tmp_path: Path, mean: float | list[float]) -> None:
    folder = checkpoints.copy_of(golden, "videomae-tiny", tmp_path / "teacher")
    file = folder / "preprocessor_config.json"
    processor = json.loads(file.read_text()) | {"image_mean": mean, "image_std": mean}
    file.write_text(json.dumps(processor))
    teacher = load_teacher(folder)
    assert teacher.identity["preprocessing"]["mean"] == [0.5, 0.5, 0.5]
    frames = checkpoints.some_frames(1, 16)
    expected = (torch.from_numpy(frames) / 255 - 0.5) / 0.5
    torch.testing.assert_close(teacher.normalise(frames).movedim(2, -1), expected)


def test_a_mean_of_zero(golden: Path, tmp_path: Path) -> None:
    """The preprocessing of a model that takes values from 0 to 1."""
    folder = checkpoints.copy_of(golden, "videomae-tiny", tmp_path / "teacher")
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"image_mean": 0, "image_std": 1}))
    frames = checkpoints.some_frames(1, 16)
    normalised = load_teacher(folder).normalise(frames).movedim(2, -1)
    torch.testing.assert_close(normalised, torch.from_numpy(frames) / 255)


@pytest.mark.parametrize("std", [0, [0.5], [0.5, 0.5], "0.5", [], [0.5, None, 0.5]])
def test_other_deviations_are_refused(golden: Path, tmp_path: Path, std: object) -> None:
    folder = checkpoints.copy_of(golden, "videomae-tiny", tmp_path / "teacher")
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"image_std": std}))
    with pytest.raises(ModelError, match="image_std"):
        load_teacher(folder)


def test_the_pooling_of_a_pretrained_videomae(
    golden: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from transformers import VideoMAEConfig, VideoMAEForPreTraining

    folder = checkpoints.copy_of(golden, "videomae-tiny", tmp_path / "teacher")
    torch.manual_seed(0)
    small = {"decoder_num_attention_heads": 2, "decoder_hidden_size": 24, "decoder_num_hidden_layers": 1}
    config = VideoMAEConfig.from_pretrained(
        folder, use_mean_pooling=False, decoder_intermediate_size=24, **small
    )
    model = VideoMAEForPreTraining(config).eval()
    model.save_pretrained(folder)
    pixels = torch.randn(2, 16, 3, 32, 32)
    with torch.no_grad():
        tokens = model.videomae(pixels).last_hidden_state
    with caplog.at_level(logging.WARNING):
        own = load_teacher(folder)
    assert "use_mean_pooling: false" in caplog.text
    caplog.clear()
    first, mean = (load_teacher(folder, pooling=pooling) for pooling in ("first", "mean"))
    assert "use_mean_pooling" not in caplog.text
    torch.testing.assert_close(own.encode(pixels), tokens[:, 0])
    torch.testing.assert_close(first.encode(pixels), tokens[:, 0])
    torch.testing.assert_close(mean.encode(pixels), tokens.mean(dim=1))
    assert "pooling" not in own.identity  # as in the stores of older versions
    assert (first.identity["pooling"], mean.identity["pooling"]) == ("first", "mean")


def test_pooling_is_of_videomae(golden: Path) -> None:
    with pytest.raises(ModelError, match="pooling: only VideoMAE has a choice, not 'timesformer'"):
        load_teacher(golden / "ckpt/timesformer-tiny", pooling="mean")


def test_pooling_of_fresh_weights_is_of_videomae() -> None:
    assert TeacherSettings(architecture="videomae", pooling="mean").pooling == "mean"
    with pytest.raises(ValueError, match="`pooling`: only VideoMAE has a choice, not timesformer"):
        TeacherSettings(architecture="timesformer", pooling="mean")


def test_a_pooling_that_is_not_given_changes_no_params() -> None:
    assert "pooling" not in TeacherSettings(checkpoint="a/b").embedding_settings()
    assert TeacherSettings(checkpoint="a/b", pooling="mean").embedding_settings()["pooling"] == "mean"
