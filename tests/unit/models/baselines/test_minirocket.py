"""MiniRocket: what aeon computes, kept in a weights file; the folded ridge classifier."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from comodo.models.baselines.minirocket import MiniRocket, ridge_head
from comodo.models.students import load_student, new_student, save_student

SMALL = {"seq_len": 64, "n_kernels": 500}


@pytest.fixture(scope="module")
def windows() -> np.ndarray:
    scale = np.array([10, 10, 10, 0.1, 0.1, 0.1])[:, None]
    return (np.random.default_rng(0).normal(size=(20, 6, 64)) * scale + scale).astype(np.float32)


def test_the_features_are_those_of_aeon(windows: np.ndarray) -> None:
    from aeon.transformations.collection.convolution_based import MiniRocket as AeonMiniRocket

    student = new_student("minirocket", SMALL, seed=4)
    student.fit(windows)
    standardised = windows - windows.mean(axis=(0, 2), keepdims=True)
    standardised /= windows.std(axis=(0, 2), keepdims=True)
    theirs = AeonMiniRocket(n_kernels=500, random_state=int(student.model.seed)).fit_transform(standardised)
    features = student(torch.from_numpy(windows))
    assert features.shape == theirs.shape == (20, 420) == (20, student.dim)
    assert float(np.abs(features.numpy() - theirs).mean()) < 1e-4  # a share may flip one sample by rounding
    assert not features.requires_grad


@pytest.mark.parametrize(("kernels", "dim"), [(1, 84), (84, 84), (1000, 924), (10_000, 9996)])
def test_dim_is_known_before_fitting(windows: np.ndarray, kernels: int, dim: int) -> None:
    student = new_student("minirocket", {"seq_len": 64, "n_kernels": kernels}, seed=0)
    assert student.dim == dim
    student.fit(windows)
    assert student(torch.from_numpy(windows[:2])).shape == (2, dim)


def test_units_do_not_matter(windows: np.ndarray) -> None:
    scale = np.array([2, 0.5, 4, 1024, 8, 0.25], np.float32)[:, None]
    features = []
    for factor in (np.float32(1), scale):
        student = new_student("minirocket", SMALL, seed=4)
        student.fit(windows * factor)
        features.append(student(torch.from_numpy(windows * factor)))
    assert torch.equal(*features)


def test_a_channel_that_never_changes(windows: np.ndarray) -> None:
    still = windows.copy()
    still[:, 2] = 9.81
    student = new_student("minirocket", SMALL, seed=4)
    student.fit(still)
    assert bool(student(torch.from_numpy(still)).isfinite().all())


def test_what_was_learned_is_saved_to_the_bit(tmp_path: Path, windows: np.ndarray) -> None:
    student = new_student("minirocket", SMALL, seed=4)
    student.fit(windows)
    save_student(student, tmp_path / "student")
    assert {"model.safetensors", "config.json", "comodo.json", "SHA256SUMS"} == {
        path.name for path in (tmp_path / "student").iterdir()
    }
    assert load_file(tmp_path / "student" / "model.safetensors")["biases"].shape == (420,)
    loaded = load_student(tmp_path / "student")
    batch = torch.from_numpy(windows)
    assert torch.equal(loaded(batch), student(batch))
    again = new_student("minirocket", SMALL, seed=4)
    again.fit(windows)
    assert torch.equal(again(batch), student(batch))
    other = new_student("minirocket", SMALL, seed=5)
    other.fit(windows)
    assert not torch.equal(other(batch), student(batch))


def test_numpy_s_generator_is_left_as_it_was(windows: np.ndarray) -> None:
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    new_student("minirocket", SMALL, seed=4).fit(windows)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_not_fitted() -> None:
    with pytest.raises(ValueError, match="call `fit` with train windows"):
        MiniRocket(**SMALL)(torch.zeros(1, 6, 64))
    with pytest.raises(ValueError, match="seq_len is 5, but the kernels are 9 samples long"):
        new_student("minirocket", {"seq_len": 5}, seed=0)


@pytest.mark.parametrize("classes", [2, 5])
def test_the_ridge_head_decides_as_the_pipeline(classes: int) -> None:
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    generator = np.random.default_rng(0)
    centres = generator.random((classes, 30))
    ids = generator.integers(classes, size=300)
    features = (centres[ids] + generator.normal(size=(300, 30)) * 0.8).astype(np.float32)
    features[:, 3] = 0.5  # a feature that never changes
    features[:, 4] *= 1000
    names = [f"class {i}" for i in range(classes)][::-1]  # not sorted
    labels = np.array(names, dtype=object)[ids]
    pipeline = make_pipeline(
        StandardScaler(with_mean=False), RidgeClassifierCV(alphas=np.logspace(-3, 3, 10))
    ).fit(features, labels)
    head = ridge_head(features, labels, names)
    assert (head.in_features, head.out_features) == (30, classes)
    with torch.no_grad():
        scores = head(torch.from_numpy(features)).numpy()
    decided = np.array(names, dtype=object)[scores.argmax(axis=1)]
    assert 0.5 < (decided == labels).mean() < 1  # neither trivial nor hopeless
    np.testing.assert_array_equal(decided, pipeline.predict(features))
    expected = pipeline.decision_function(features)
    expected = np.stack([-expected, expected], axis=1) if classes == 2 else expected
    order = [names.index(name) for name in pipeline.classes_]
    np.testing.assert_allclose(scores[:, order], expected, atol=1e-4)


def test_a_class_without_windows_never_wins() -> None:
    features = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    labels = np.array(["run", "sit", "walk"] * 20, dtype=object)
    scores = ridge_head(features, labels, ["run", "jump", "sit", "walk"])(torch.from_numpy(features))
    assert bool((scores < 0).all(dim=1).any())  # sure of no class
    assert set(scores.argmax(dim=1).tolist()) == {0, 2, 3}
    assert bool(scores.isfinite().all())


def test_ridge_labels_that_make_no_sense() -> None:
    features = np.ones((4, 5), np.float32)
    with pytest.raises(ValueError, match="all of one class"):
        ridge_head(features, np.array(["sit"] * 4), ["run", "sit"])
    with pytest.raises(ValueError, match="label 'fly' is not one of the classes"):
        ridge_head(features, np.array(["sit", "run", "fly", "sit"]), ["run", "sit"])
