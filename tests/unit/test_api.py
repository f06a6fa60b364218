"""The Python API: its names, that they load lazily, and the code blocks of docs/api.md."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import comodo
from comodo.commands.cli import main
from comodo.errors import ConfigError, DataError, ImuError, ModelError
from comodo.storage.artefacts import open_hdf5
from tests.support.docs import code_blocks
from tests.support.project import ROOT, tiny_config
from tests.support.saved import FORM, save_trained
from tests.support.students import small_student
from tests.support.writers import motion

PAGE = "docs/api.md"
USUAL = {"rate_hz": 200.0, "clip_s": 5.0}
HEAVY = {"torch", "numpy", "pandas", "pydantic", "h5py", "sklearn", "transformers", "yaml"}


@pytest.fixture
def folder(tmp_path: Path, golden: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the files that the page names."""
    monkeypatch.chdir(tmp_path)
    time = np.arange(2400) / 200
    accel, gyro = np.split(motion(time), 2)
    table = np.column_stack([1e3 * time, (accel / 9.80665).T, gyro.T])
    header = "t,accel_x,accel_y,accel_z,gyro_x,gyro_y,gyro_z"
    np.savetxt("walk.csv", table, delimiter=",", header=header, comments="", fmt="%.10g")
    save_trained(Path("results/experiments/comodo/seed42/student"), form=FORM.model_copy(update=USUAL))
    (tmp_path / "teachers").mkdir()
    (tmp_path / "teachers/videomae").symlink_to(golden / "ckpt/videomae-tiny")
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(tiny_config()))
    return tmp_path


def test_importing_comodo_loads_nothing_heavy() -> None:
    code = f"import sys, comodo; print(sorted({HEAVY} & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"


def test_names_are_those_of_the_page() -> None:
    text = (ROOT / PAGE).read_text()
    headings = re.findall(r"^## (\w+)(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert sorted(name for name, _ in headings) == sorted(comodo.__all__)
    assert [name for name, body in headings if "```python" not in body] == []
    assert set(comodo.__all__) <= set(dir(comodo))
    for name in comodo.__all__:
        assert getattr(comodo, name).__doc__


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match="module 'comodo' has no attribute 'read_imus'"):
        comodo.read_imus  # noqa: B018


def test_typed_names_are_the_lazy_ones() -> None:
    """Type checkers read the imports under TYPE_CHECKING, Python the table."""
    text = Path(comodo.__file__).read_text()
    typed = re.findall(r"^    from (comodo[\w.]*) import (.*)$", text, re.MULTILINE)
    names = {name: module for module, listed in typed for name in listed.split(", ")}
    assert names == comodo._MODULES
    assert sorted([*names, "__version__"]) == comodo.__all__
    assert (Path(comodo.__file__).parent / "py.typed").is_file()


def test_the_page_runs_from_top_to_bottom(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    for block in code_blocks(PAGE, "python"):
        exec(block, names)
    told = capfd.readouterr().out
    assert "3 (3, 6, 1000)\n" in told
    assert "missing.csv does not exist\n" in told
    assert "distill" in told  # of the dry run
    assert told.endswith(f"{comodo.__version__}\n")


def test_the_page_on_students_runs(folder: Path) -> None:
    rng = np.random.default_rng(0)
    names: dict[str, Any] = {"samples": rng.normal(size=(2000, 6)), "timestamps": np.arange(2000) / 200}
    for block in code_blocks("docs/use.md", "python"):
        exec(block, names)
    assert len(names["predictions"]) == 8
    assert names["stream"]._window == 5


def test_the_lines_of_the_readme(folder: Path) -> None:
    (block,) = code_blocks("README.md", "python")
    names: dict[str, np.ndarray] = {}
    exec(block, names)
    assert names["features"].shape == (
        2,
        comodo.load_student("results/experiments/comodo/seed42/student").dim,
    )


def test_four_lines_from_csv_to_features(folder: Path) -> None:
    """They give what `comodo embed` gives."""
    block = code_blocks(PAGE, "python")[0]
    lines = [line for line in block.splitlines() if line.strip()]
    assert len(lines) == 4
    names: dict[str, np.ndarray] = {}
    torch.set_num_threads(os.cpu_count() or 1)  # as the command: sums by other threads are rounded otherwise
    exec(block, names)
    columns = ["time=t", "time_unit=ms", "accel_unit=g"]
    student = "results/experiments/comodo/seed42/student"
    assert main(["embed", "--student", student, "--imu", "walk.csv", "--csv", *columns]) == 0
    with open_hdf5(Path("features.h5")) as file:
        np.testing.assert_array_equal(names["features"], file["feature"][:])
    assert names["features"].shape == (2, comodo.load_student(student).dim)


def test_columns_that_are_not_described(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"walk.csv: the header lacks Ego4D's column .*found: t,accel_x"):
        comodo.read_imu("walk.csv")
    with pytest.raises(ConfigError, match=r"walk.csv: imu.csv.tiem: unknown key; did you mean 'time'"):
        comodo.read_imu("walk.csv", {"tiem": "t"})
    with pytest.raises(ImuError, match=r"walk.csv has no column clock"):
        comodo.read_imu("walk.csv", {"time": "clock"})
    with pytest.raises(ConfigError, match=r"a.npy: columns are described, but it is no csv file"):
        comodo.read_imu("a.npy", {"time": "t"})


def test_windows_of_a_signal_with_a_hole() -> None:
    data = np.ones((6, 3000), dtype=np.float32)
    data[:, 1200:1400] = np.nan
    windows = comodo.cut_windows(comodo.ImuSignal(data, start_s=2.5, rate_hz=200.0), seconds=2.5)
    assert windows.start_s.tolist() == [2.5, 5.0, 10.0, 12.5, 15.0]
    assert windows.left_out.tolist() == [[7.5, 10.0]]
    assert windows.data.shape == (5, 6, 500)
    assert np.isfinite(windows.data).all()
    whole = comodo.cut_windows(comodo.ImuSignal(data[:, :1200], 2.5, 200.0), seconds=None)
    assert (whole.data.shape, whole.start_s.tolist(), whole.end_s.tolist()) == ((1, 6, 1200), [2.5], [8.5])


def test_signals_without_a_whole_window() -> None:
    short = comodo.ImuSignal(np.ones((6, 300), dtype=np.float32), 0.0, 200.0)
    with pytest.raises(ImuError, match=r"IMU from 0.00 to 1.50 s") as caught:
        comodo.cut_windows(short, seconds=5)
    assert caught.value.reason == "imu_too_short"
    with pytest.raises(DataError, match="hold no sample"):
        comodo.cut_windows(short, seconds=0.001)
    with pytest.raises(DataError, match="hold no sample"):
        comodo.cut_windows(short, seconds=-5)
    empty = comodo.ImuSignal(np.full((6, 300), np.nan, dtype=np.float32), 0.0, 200.0)
    with pytest.raises(ImuError, match="no sample is finite"):
        comodo.cut_windows(empty)


def test_arrays_are_embedded_as_they_are() -> None:
    student = small_student("mantis")
    windows = np.random.default_rng(0).standard_normal((5, 6, 100))
    features = comodo.embed(student, windows, batch_size=2)
    assert (features.shape, features.dtype) == ((5, student.dim), np.float32)
    np.testing.assert_allclose(features, comodo.embed(student, list(windows)), atol=1e-6)
    assert comodo.embed(student, windows[:0]).shape == (0, student.dim)
    with pytest.raises(ModelError, match=r"an IMU window must have the shape \(6, T\), not \(100,\)"):
        comodo.embed(student, windows[0])
    windows[3, 0, 7] = np.nan
    with pytest.raises(ModelError, match="the IMU of window 3 is not finite"):
        comodo.embed(student, windows)


def test_a_config_of_faults_runs_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.yaml cannot be read: No such file"):
        comodo.run(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="experimnts: unknown key; did you mean 'experiments'"):
        comodo.run({"experimnts": {}})
