from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from comodo.commands.cli import main
from comodo.models.students import load_student
from tests.support.writers import ego4d_lines, motion, write_ego4d_imu, write_processed_imu, write_uestc_imu

TIME = np.arange(2400) / 200  # 12 s


@pytest.fixture
def student(golden: Path) -> str:
    return str(golden / "ckpt/paris-noah-Mantis-tiny-nodropout")


def expected(student: str, *windows: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        features: np.ndarray = load_student(student)(torch.from_numpy(np.stack(windows)).float()).numpy()
        return features


def embed(student: str, *arguments: str | Path) -> int:
    return main(["embed", "--student", student, "--out", "out.h5", *map(str, arguments)])


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_windows_and_features_are_those_of_the_signal(student: str) -> None:
    path = write_processed_imu(Path(), "a", TIME, 1e-3)
    assert embed(student, "--imu", path) == 0
    signal = motion(TIME).astype(np.float32)
    with h5py.File("out.h5") as out:
        assert out.attrs["student"] == student
        assert out["file"].asstr()[:].tolist() == ["processed_imu/a.npy"] * 2
        assert (out["start_s"][:].tolist(), out["end_s"][:].tolist()) == ([0, 5], [5, 10])
        want = expected(student, signal[:, :1000], signal[:, 1000:2000])
        np.testing.assert_allclose(out["feature"], want, atol=1e-5)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (lambda table: table[:, 1:4].__itruediv__(9.81), "imu_accel_unit"),
        (lambda table: table[:, 4:].__imul__(180 / np.pi * 20), "imu_gyro_unit"),
        (lambda table: table[1200:, 0].__isub__(6.0), "imu_restart"),
    ],
)
def test_notes_are_printed(
    student: str, capsys: pytest.CaptureFixture[str], fault: Callable[[np.ndarray], object], kind: str
) -> None:
    table = np.column_stack([TIME, motion(TIME).T])
    fault(table)
    header = "t,ax,ay,az,gx,gy,gz"
    np.savetxt("a.csv", table, delimiter=",", header=header, comments="", fmt="%.10g")
    columns = ["time=t", "accel=ax,ay,az", "gyro=gx,gy,gz"]
    assert embed(student, "--imu", "a.csv", "--csv", *columns) == 0
    assert f"a.csv: note: {kind}: " in capsys.readouterr().err


def test_the_clock_of_the_file_is_kept(student: str) -> None:
    table = np.column_stack([1000 * (TIME + 1_700_000_000), motion(TIME).T])
    header = "t,ax,ay,az,gx,gy,gz"
    np.savetxt("a.csv", table, delimiter=",", header=header, comments="", fmt="%.16g")
    columns = ["time=t", "time_unit=ms", "accel=ax,ay,az", "gyro=gx,gy,gz"]
    assert embed(student, "--imu", "a.csv", "--csv", *columns) == 0
    with h5py.File("out.h5") as out:
        assert out["start_s"][:].tolist() == [0, 5]
        np.testing.assert_allclose(out["clock_s"], [1_700_000_000, 1_700_000_005], atol=1e-3)


def test_described_columns_and_ego4d_ones(student: str) -> None:
    """The same motion, once in Ego4D's columns and once in g and deg/s under other names, on another clock."""
    write_ego4d_imu(Path("ego.csv"), ego4d_lines(TIME))
    accel, gyro = np.split(motion(TIME), 2)
    table = np.column_stack([1e6 * (TIME + 1000), (accel / 9.80665).T, np.rad2deg(gyro).T])
    np.savetxt("mine.csv", table, delimiter=",", header="stamp,ax,ay,az,gx,gy,gz", comments="", fmt="%.10g")
    columns = [
        "time=stamp",
        "time_unit=us",
        "accel=ax,ay,az",
        "accel_unit=g",
        "gyro=gx,gy,gz",
        "gyro_unit=deg/s",
    ]
    assert embed(student, "--imu", "mine.csv", "--csv", *columns) == 0
    with h5py.File("out.h5") as out:
        assert out["start_s"][:].tolist() == [0, 5]
        mine = out["feature"][:]
    assert embed(student, "--imu", "ego.csv") == 0
    with h5py.File("out.h5") as out:
        np.testing.assert_allclose(mine, out["feature"], atol=1e-3)


def test_whole_files_at_another_rate(student: str) -> None:
    write_uestc_imu(Path("a.csv"), 100)
    write_uestc_imu(Path("b.csv"), 60)
    flags = ["--layout", "uestc", "--rate_hz", "25", "--clip_s", "0"]
    assert embed(student, "--imu", "a.csv", "b.csv", *flags) == 0
    with h5py.File("out.h5") as out:
        assert out["end_s"][:].tolist() == [4.0, 2.4]


def test_a_bad_file_leaves_the_others_and_status_1(student: str, capsys: pytest.CaptureFixture[str]) -> None:
    good = write_processed_imu(Path(), "a", TIME, 1e-3)
    write_ego4d_imu(Path("holes.csv"), ego4d_lines(TIME[(TIME < 7) | (TIME > 8)]))
    write_processed_imu(Path(), "short", TIME[:800], 1e-3)
    files = ["none.npy", "holes.csv", "processed_imu/short.npy", good]
    assert embed(student, "--imu", *files) == 1
    told = capsys.readouterr()
    assert "none.npy: left out, the IMU file does not exist (none.npy does not exist)" in told.err
    assert "processed_imu/short.npy: left out" in told.err
    assert "holes.csv: 1 windows; left out for holes: 5–10 s" in told.out
    with h5py.File("out.h5") as out:
        assert out["file"].asstr()[:].tolist() == ["holes.csv", str(good), str(good)]


def test_names_of_files_are_shown_inert(student: str, capsys: pytest.CaptureFixture[str]) -> None:
    good = write_processed_imu(Path(), "a\x1b[2J", TIME, 1e-3)
    assert embed(student, "--imu", good, "b\x1b]0;t\x07.npy") == 1
    told = capsys.readouterr()
    assert "a\\x1b[2J.npy: 2 windows" in told.out
    assert "b\\x1b]0;t\\x07.npy: left out" in told.err
    assert "\x1b" not in told.out + told.err


def test_nothing_to_embed_is_an_error_and_leaves_no_file(
    student: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert embed(student, "--imu", "none.npy") == 1
    assert capsys.readouterr().err == "error: none.npy does not exist\n"
    assert not Path("out.h5").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "mine.csv: the header lacks Ego4D's column"),
        (["--csv", "time"], "--csv time: give KEY=VALUE"),
        (["--csv", "tiem=t"], "imu.csv.tiem: "),
        (["--csv", "accel=a,b,c"], "give either `time`"),
        (["--csv", "time=t", "--clip_s", "-1"], "clip_s: "),
    ],
)
def test_flags_that_do_not_fit_are_named(
    student: str, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mine.csv").write_text("t,a,b,c\n")
    assert embed(student, "--imu", "mine.csv", *flags) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.realdata
def test_camera_files_and_aria_recordings(student: str, realdata: Path) -> None:
    camera = realdata.resolve() / "gopro/hero7.mp4"
    aria = next((realdata.resolve() / "aria").rglob("*.vrs"))
    np.savetxt(
        "mine.csv",
        np.column_stack([TIME, motion(TIME).T]),
        delimiter=",",
        header="t,a,b,c,x,y,z",
        comments="",
    )
    described = ["--csv", "time=t", "accel=a,b,c", "gyro=x,y,z"]
    assert embed(student, "--imu", camera, aria, "mine.csv", "--clip_s", "0", *described) == 0
    with h5py.File("out.h5") as out:
        assert out["file"].asstr()[:].tolist() == [str(camera), str(aria), "mine.csv"]
        assert np.isfinite(out["feature"]).all()
