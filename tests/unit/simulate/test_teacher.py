from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from comodo.clips.windows import frame_indices
from comodo.config import PretrainingSettings, SimulateSettings, TeacherSettings
from comodo.embeddings.encode import start_teacher
from comodo.errors import DamageError
from comodo.models.teacher_files import folder_digest
from comodo.models.teachers import load_teacher
from comodo.simulate.teacher import STREAM, _fresh, _train, pretrain_teacher, render_clips
from tests.support.world import simulate_recordings

ARCHITECTURE = {
    "image_size": 24,
    "patch_size": 12,
    "num_frames": 4,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "initializer_range": 0.1,
}
VIDEOMAE = TeacherSettings(
    architecture="videomae", architecture_config={**ARCHITECTURE, "use_mean_pooling": True}
)
WORLD = SimulateSettings(
    seed=5, train_subjects=48, val_subjects=24, test_subjects=1, activities=2, duration_s=5, size=24
)
PRETRAINED = VIDEOMAE.model_copy(
    update={"pretraining": PretrainingSettings(world=WORLD, epochs=40, batch_size=16, learning_rate=6e-3)}
)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("architecture", ["videomae", "timesformer"])
def test_fresh_weights_load_and_follow_the_seed(architecture: str, tmp_path: Path) -> None:
    config = {**ARCHITECTURE, **({"use_mean_pooling": True} if architecture == "videomae" else {})}
    settings = TeacherSettings(architecture=architecture, architecture_config=config)  # type: ignore[arg-type]
    torch.manual_seed(1)
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        pretrain_teacher(settings.model_copy(update={"seed": seed}), tmp_path / name)
    expected = {"config.json", "model.safetensors", "preprocessor_config.json", "SHA256SUMS", "made_by.txt"}
    assert set(content(tmp_path / "a")) == expected
    assert content(tmp_path / "a") == content(tmp_path / "b")
    assert content(tmp_path / "a") != content(tmp_path / "c")
    teacher = load_teacher(tmp_path / "a")
    assert (teacher.n_frames, teacher.dim, teacher.image_size) == (4, 32, 24)
    assert teacher.encode(torch.zeros(2, 4, 3, 24, 24)).shape == (2, 32)
    state = torch.random.get_rng_state()
    pretrain_teacher(settings, tmp_path / "d")
    assert torch.equal(torch.random.get_rng_state(), state)  # the caller's random numbers are its own


def test_a_made_teacher_of_other_settings_is_refused(tmp_path: Path) -> None:
    one, other = VIDEOMAE, VIDEOMAE.model_copy(update={"seed": 7})
    pretrain_teacher(one, tmp_path / "one")
    pretrain_teacher(other, tmp_path / "other")
    assert start_teacher(one.model_copy(update={"batch_size": 2}), tmp_path / "one", "cpu").dim == 32
    with pytest.raises(DamageError, match=r"other is damaged .*its teacher was made with other settings"):
        start_teacher(one, tmp_path / "other", "cpu")
    for name in ("made_by.txt", "SHA256SUMS"):  # as version 0.1 made teachers
        (tmp_path / "other" / name).unlink()
    start_teacher(one, tmp_path / "other", "cpu")


def test_a_digest_does_not_depend_on_what_says_how_it_was_made(tmp_path: Path) -> None:
    pretrain_teacher(VIDEOMAE, tmp_path / "a")
    before = folder_digest(tmp_path / "a")
    (tmp_path / "a/made_by.txt").unlink()
    assert folder_digest(tmp_path / "a") == before


@pytest.mark.slow
def test_pretraining_teaches_to_tell_unseen_subjects_apart(tmp_path: Path) -> None:
    clips, labels = render_clips(PRETRAINED, 10.0, "val")
    assert clips.shape == (48, 4, 24, 24, 3)
    half = np.arange(48) % 4 < 2  # subjects by turns: whose class means, and who is asked

    def accuracy(settings: TeacherSettings) -> float:
        pretrain_teacher(settings, tmp_path / "teacher", workers=2)
        teacher = load_teacher(tmp_path / "teacher")
        embedding = teacher.encode(teacher.normalise(clips)).numpy()
        embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
        means = np.stack([embedding[half & (labels == label)].mean(axis=0) for label in (0, 1)])
        return float(((embedding[~half] @ means.T).argmax(axis=1) == labels[~half]).mean())

    before, after = accuracy(VIDEOMAE), accuracy(PRETRAINED)
    assert after > before
    assert after > 0.75
    model = _fresh(PRETRAINED)
    assert _train(model, *render_clips(PRETRAINED, 10.0, "train"), PRETRAINED) < 0.6  # ln 2 by guessing
    once = content(tmp_path / "teacher")
    pretrain_teacher(PRETRAINED, tmp_path / "teacher", workers=1)
    assert content(tmp_path / "teacher") == once


def test_clips_are_the_frames_that_encoding_takes_of_a_world_that_no_dataset_shows() -> None:
    world = WORLD.model_copy(update={"duration_s": 11, "train_subjects": 1, "val_subjects": 1})
    settings = PRETRAINED.model_copy(update={"pretraining": PretrainingSettings(world=world)})
    clips, labels = render_clips(settings, 10.0, "train")
    assert labels.tolist() == [0, 0, 1, 1]  # two whole clips of 5 s in 11 s
    film = next(simulate_recordings(world, STREAM)).frames
    assert_array_equal(clips[0], film[frame_indices(50, 4)])
    assert_array_equal(clips[1], film[50:][frame_indices(50, 4)])
    assert not np.array_equal(film, next(simulate_recordings(world)).frames)


def test_a_world_shorter_than_a_clip_is_refused(tmp_path: Path) -> None:
    world = WORLD.model_copy(update={"duration_s": 3})
    settings = VIDEOMAE.model_copy(update={"pretraining": PretrainingSettings(world=world)})
    with pytest.raises(ValueError, match=r"duration_s is shorter"):
        pretrain_teacher(settings, tmp_path / "teacher")
    assert not (tmp_path / "teacher").exists()
