"""FIFOs, sockets, devices and folders under the names of data are refused at once, each with the usual error."""

from __future__ import annotations

import ast
import os
import signal
import socket
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from comodo.commands import inputs
from comodo.config import load_config
from comodo.embeddings.ready import read_ready
from comodo.errors import (
    CommandError,
    ComodoError,
    ConfigError,
    DamageError,
    DataError,
    DeviceError,
    ImuError,
    LayoutError,
    ModelError,
    SplitsError,
    StoreError,
    VideoError,
)
from comodo.evaluate.results import read_scores
from comodo.jobs.devices import reserve_slot
from comodo.layouts.media import open_video
from comodo.layouts.types import Recording
from comodo.models.students import load_student, save_student
from comodo.models.teachers import load_teacher
from comodo.plan.rates import read_rates
from comodo.recordings.one_file import read_imu
from comodo.recordings.published_splits import fetch
from comodo.recordings.splits import check_overwrite
from comodo.simulate.dataset import _refuse_foreign, read_recorded
from comodo.storage.artefacts import read_json, read_table
from comodo.storage.regular import check_regular, open_regular, open_text
from tests.fuzz.inputs import layout
from tests.support.project import ROOT
from tests.support.students import small_student
from tests.support.writers import take, write_splits, write_takes

LONGEST_S = 5


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as own:
        own.bind(str(path))


SPECIAL: dict[str, Callable[[Path], object]] = {
    "FIFO": os.mkfifo,
    "link to a FIFO": lambda path: (os.mkfifo(path.with_name("pipe")), path.symlink_to("pipe")),
    "socket": make_socket,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": Path.mkdir,
}


def recording(path: Path, video: Path | None = None) -> Recording:
    return Recording("a", "train", "x", video, path)


def read_vrs(path: Path) -> None:
    pytest.importorskip("pyvrs", reason="vrs is not installed")
    layout(path.parent, "egoexo4d").read_imu(recording(path))


def read_camera(path: Path) -> None:
    layout(path.parent, "table", table="t.csv").read_imu(recording(path, path))


def list_egoexo4d(path: Path) -> None:
    write_splits(path.parent / "splits", {"train": ["a\tx", "b\ty"], "val": ["c\tx"], "test": ["d\tx"]})
    layout(path.parent, "egoexo4d").recordings()


def list_ego4d(path: Path) -> None:
    write_splits(path.parent / "splits", {"train": ["a\tx", "b\ty"], "val": ["c\tx"], "test": ["d\tx"]})
    layout(path.parent, "ego4d").recordings()


def read_timesync(path: Path) -> None:
    write_takes(path.parent, [take("a", capture="..")])
    (path.parent / "captures").mkdir()
    reader: Any = layout(path.parent, "egoexo4d")
    reader._video_start_ns("a")


def load_with_config(path: Path) -> None:
    """A student whose weights are the odd file."""
    save_student(small_student("dlinear"), path.parent / "s")
    (path.parent / "s/config.json").rename(path.parent / "config.json")
    load_student(path.parent)


# reader → the file's name, what reads it, the error
READERS: dict[str, tuple[str, Callable[[Path], object], type[ComodoError]]] = {
    "csv": ("a.csv", lambda p: layout(p.parent, "ego4d").read_imu(recording(p)), ImuError),
    "csv without header": ("a.csv", lambda p: layout(p.parent, "uestc").read_imu(recording(p)), ImuError),
    "npy": ("a.npy", lambda p: layout(p.parent, "ego4d").read_imu(recording(p)), ImuError),
    "vrs": ("a.vrs", read_vrs, ImuError),
    "camera file": ("a.mp4", read_camera, ImuError),
    "timesync.csv": ("timesync.csv", read_timesync, ImuError),
    "video": ("a.mp4", open_video, VideoError),
    "table": ("t.csv", lambda p: layout(p.parent, "table", table=str(p)).recordings(), LayoutError),
    "split file": ("train.txt", lambda p: layout(p.parent, "uestc", splits=str(p.parent)).recordings(), LayoutError),
    "takes.json": ("takes.json", list_egoexo4d, LayoutError),
    "ego4d.json": ("ego4d.json", list_ego4d, LayoutError),
    "split file to be written": ("val.txt", lambda p: check_overwrite(p, "a"), SplitsError),
    "split file to be fetched": ("train.txt", lambda p: fetch("uestc", p.parent, source=p.parent), SplitsError),
    "recorded trajectory": ("a.csv", read_recorded, ComodoError),
    "simulated data to be replaced": ("ego4d.json", lambda p: _refuse_foreign(p.parent), ComodoError),
    "embeddings made elsewhere": ("e.h5", lambda p: read_ready(p, pd.DataFrame()), StoreError),
    "table artefact": ("a.parquet", read_table, DamageError),
    "scores": ("svm.json", read_scores, DamageError),
    "made settings": ("simulated.json", read_json, DamageError),
    "rates": ("rates.json", read_rates, DataError),
    "config": ("mine.yaml", load_config, ConfigError),
    "file of a command": ("a.txt", inputs.read_text, CommandError),
    "csv to embed": ("a.csv", read_imu, ImuError),
    "config of a student": ("config.json", lambda p: load_student(p.parent), ModelError),
    "weights of a student": ("model.safetensors", load_with_config, ModelError),
    "config of a teacher": ("config.json", lambda p: load_teacher(p.parent), ModelError),
    "lock": ("GPU-a.lock", lambda p: reserve_slot(["GPU-a"], p.parent), DeviceError),
}  # fmt: skip


@pytest.fixture
def soon() -> Iterator[None]:
    """Fail where a reader waits."""
    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail(f"no end after {LONGEST_S} s"))
    signal.alarm(LONGEST_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("reader", READERS)
def test_refused_at_once(reader: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, read, error = READERS[reader]
    # a library that waits in its own code would not see the alarm
    if find_spec("telemetry_parser"):
        monkeypatch.setattr("telemetry_parser.Parser", lambda path: pytest.fail(f"{path} is opened"))
    SPECIAL[kind](tmp_path / name)
    with pytest.raises(error) as said:
        read(tmp_path / name)
    if reader != "simulated data to be replaced":
        assert name in str(said.value)
    if isinstance(said.value, (ImuError, VideoError)):
        assert said.value.reason in ("imu_unreadable", "video_unreadable")


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("kind", SPECIAL)
def test_only_regular_files_are_opened(kind: str, tmp_path: Path) -> None:
    SPECIAL[kind](tmp_path / "a")
    for call in (open_regular, open_text, check_regular):
        with pytest.raises(OSError, match=kind.rpartition(" ")[2] if kind != "folder" else "directory"):
            call(tmp_path / "a")


def test_regular_files_and_links_to_them_are_opened(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfline\r\n")
    (tmp_path / "b").symlink_to("a")
    check_regular(tmp_path / "b")
    with open_regular(tmp_path / "b") as file:
        assert file.read() == b"\xef\xbb\xbfline\r\n"
    with open_text(tmp_path / "b") as text:
        assert text.read() == "line\n"
    for name in ("missing", "a/b"):
        with pytest.raises((FileNotFoundError, NotADirectoryError)):
            check_regular(tmp_path / name)


CHECKS = {
    "open_regular",
    "open_text",
    "read_bytes",
    "read_text",
    "check_regular",
    "open_video",
    "check_small_video",
}
OPENERS = {
    "open",
    "os.open",
    "av.open",
    "np.load",
    "np.fromfile",
    "decord.VideoReader",
    "telemetry_parser.Parser",
}
METHODS = {"open", "read_text", "read_bytes", "read_csv", "read_parquet"}
SAFE = {"regular.read_text", "regular.open_regular", "json.load"}


def opens(call: ast.Call) -> bool:
    """Whether a call opens a file for reading by its name."""
    name = ast.unparse(call.func)
    given = {node.value for node in ast.walk(call) if isinstance(node, ast.Constant)}
    opens = name in OPENERS or ("." in name and name.rpartition(".")[2] in METHODS)
    return opens and name not in SAFE and not given & {"w", "wb", "x", "fd:", "/proc/self/statm"}


# What a function may open without a check, and why.
EXEMPT = {
    "commands/follow.py: follow": "the null device, in place of a closed pipe",
    "jobs/class_code.py": "code that Python's own import system has found",
    "jobs/devices.py": "opens lock files so that none can wait",
    "jobs/log.py": "/dev/null",
    "recordings/frames.py: _read_by_decord": "checked by `read_frames`",
    "report/published.py": "a file of this repository",
    "storage/files.py": "opens lock files so that none can wait, and folders",
    "storage/hdf5.py": "parts of a file that is open already",
    "storage/regular.py": "the checks themselves",
}


def bare_opens(path: Path) -> dict[str, list[str]]:
    """The functions of a module that open a file by its name and call none of CHECKS, with these calls."""
    found = {}
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef):
            calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
            names = {ast.unparse(call.func) for call in calls}
            bare = [ast.unparse(call) for call in calls if opens(call)]
            if bare and not names & CHECKS:
                found[function.name] = bare
    return found


def test_what_opens_a_file_has_looked_at_its_kind() -> None:
    """A function that opens a file by its name calls one of CHECKS as well; all exemptions are needed."""
    source, used = ROOT / "src/comodo", set()
    for path in sorted(source.rglob("*.py")):
        name = str(path.relative_to(source))
        for function, calls in bare_opens(path).items():
            key = next((key for key in (name, f"{name}: {function}") if key in EXEMPT), None)
            assert key is not None, f"{name}, {function}: {calls}"
            used.add(key)
    assert used == EXEMPT.keys()


def test_the_check_sees_a_bare_open(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def f(path):\n    return path.read_text()\n")
    assert bare_opens(tmp_path / "a.py") == {"f": ["path.read_text()"]}
