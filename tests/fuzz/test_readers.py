"""Whatever bytes a reader is given, it gives a result or the one error it documents: in bounded time and memory.

A few examples each with all tests; `make fuzz FUZZ_MINUTES=30` shares half an hour among the readers. What such a run
found stands in FOUND, and is tried first.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.support.writers import EGO4D_HEADER, ego4d_lines, take, write_splits, write_video

from comodo.config import SPLITS, ConfigError, DatasetSettings, load
from comodo.layouts.opening import open_layout
from comodo.layouts.split_files import read_split_files
from comodo.layouts.types import ImuError, Layout, LayoutError, Recording
from comodo.recordings.resample import resample
from comodo.recordings.resample_reference import resample_reference
from comodo.recordings.small_video import extract
from comodo.recordings.video_source import VideoError, probe

pytestmark = pytest.mark.fuzz

MINUTES = float(os.environ.get("FUZZ_MINUTES", 0))
EXAMPLES = 500 if MINUTES else 25
LONGEST_S = 20
MEMORY = 2 << 30  # on top of what the process holds when it starts
TIME = np.arange(0, 1, 0.02)


class Hang(BaseException):
    """A reader that does not end; no reader catches it."""


# ------------------------------------------------------------------------------------------------ what they are given

CELLS = st.text(max_size=8) | st.sampled_from(
    [
        *(
            "",
            " ",
            "0",
            "1",
            "-1",
            "NaN",
            "NULL",
            "inf",
            "-inf",
            "1e308",
            "-1e308",
            "1e-320",
            "1e18",
            "0x10",
            "1_0",
            "١",
        ),
        *(
            ",",
            '"',
            "\t",
            ";",
            "\r",
            "\n",
            "\0",
            "\ufeff",
            "\udcff",
            '"a\nb"',
            '""',
            "=1+1",
            "\x1b[2J",
            "1" * 400,
        ),
        *("1e18", "9223372036854775808", "x" * 200_000),
    ]
)


@st.composite
def edited(draw: st.DrawFn, texts: list[str], separator: str = ",") -> bytes:
    """A sound text with cells, lines and bytes changed."""
    lines = [line.split(separator) for line in draw(st.sampled_from(texts)).split("\n")]
    for _ in range(draw(st.integers(0, 6))):
        line = draw(st.integers(0, len(lines) - 1))
        kind = draw(st.sampled_from(["cell", "cell", "column", "drop", "repeat", "swap", "add"]))
        place = draw(st.integers(0, max(0, len(lines[line]) - 1)))
        if kind == "cell" and lines[line]:
            lines[line][place] = draw(CELLS)
        elif kind == "column":
            cell = draw(CELLS)
            for row in lines[1:]:
                if place < len(row):
                    row[place] = cell
        elif kind == "drop" and len(lines) > 1:
            del lines[line]
        elif kind == "repeat" and sum(len(cell) for row in lines for cell in row) < 1_000_000:
            lines[line:line] = [list(lines[line])] * draw(st.integers(1, 50))
        elif kind == "swap":
            other = draw(st.integers(0, len(lines) - 1))
            lines[line], lines[other] = lines[other], lines[line]
        elif kind == "add":
            lines[line].insert(place, draw(CELLS))
    end = draw(st.sampled_from(["\n", "\n", "\n", "\r\n", "\r"]))
    whole = end.join(separator.join(line) for line in lines).encode(
        "utf-8", "surrogateescape" if draw(st.booleans()) else "replace"
    )
    return draw(smashed(whole)) if draw(st.booleans()) else whole


@st.composite
def smashed(draw: st.DrawFn, whole: bytes) -> bytes:
    """Bytes with some of them changed, taken out or put in, or cut short."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(data)))
        kind = draw(st.sampled_from(["set", "flip", "insert", "remove", "cut", "number"]))
        if kind == "set":
            data[place : place + 1] = draw(st.binary(min_size=1, max_size=4))
        elif kind == "flip" and place < len(data):
            data[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "insert":
            data[place:place] = draw(st.binary(max_size=20))
        elif kind == "remove":
            del data[place : place + draw(st.integers(1, 40))]
        elif kind == "cut":
            del data[place:]
        elif kind == "number":
            data[place : place + 4] = draw(
                st.sampled_from([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0"])
            )
    return bytes(data)


def any_bytes(*sound: str, separator: str = ",") -> st.SearchStrategy[bytes]:
    return edited(list(sound), separator) | st.binary(max_size=200)


def npy(array: Any) -> bytes:
    file = BytesIO()
    np.save(file, array)
    return file.getvalue()


HEADERS = st.builds(
    lambda shape, kind, order, data: b"\x93NUMPY\x01\x00"
    + len(header := f"{ {'descr': kind, 'fortran_order': order, 'shape': shape}!r}\n".encode()).to_bytes(2, "little")
    + header
    + data,
    st.tuples(st.integers(-1, 10), st.sampled_from([0, 1, 50, 2**31, 2**62, -5])) | st.just(()) | st.just((50,)),
    st.sampled_from(["<f8", "<f4", ">i2", "<c16", "|b1", "|O", "<U5", "<M8[ns]", "|V8", [("a", "<f8")], "<f999", "x"]),
    st.booleans(),
    st.binary(max_size=64),
)  # fmt: skip
VALUES = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([0.0, 5.0, 1e300, 5e-324])
ARRAYS = st.lists(VALUES, max_size=20).map(lambda values: npy(np.array(values)))

# ----------------------------------------------------------------------------------------------------- what reads them

EGO4D = "\n".join([EGO4D_HEADER, *ego4d_lines(TIME), ""])
TABLE_IMU = "t,ax,ay,az,gx,gy,gz\n" + "".join(f"{t},1,2,{k},4,5,{k}\n" for k, t in enumerate(TIME))
UESTC = "".join(f"1,2,{k},4,5,{k}\n" for k in range(50))
COLUMNS = {"time": "t", "accel": ["ax", "ay", "az"], "gyro": ["gx", "gy", "gz"]}
SPLIT = "a\tsit\nb\tstand\n"
RECORDINGS = (
    "recording,split,label,video,imu,group,start_s,end_s\n"
    "a,train,sit,a.mp4,a.csv,g,,\nb,train,stand,b.mp4,,g,1,2\nc,val,sit,c.mp4,,,,\nd,test,sit,d.mp4,,,0,5\n"
)


def layout(folder: Path, kind: str, **more: Any) -> Layout:
    given = {"layout": kind, "root": str(folder), **more}
    return open_layout("x", DatasetSettings.model_validate(given))


def samples(reader: Layout, imu: Path) -> None:
    """Read the IMU and bring it onto the grid, by both rules."""
    try:
        components = reader.read_imu(Recording("a", "train", "sit", Path("a.mp4"), imu))
    except ImuError:
        return
    for rule in (resample, resample_reference):
        try:
            signal = rule(components)
        except ImuError:
            continue
        assert signal.data.dtype == np.float32
        assert signal.data.shape[0] == 6
        assert np.isfinite(signal.start_s)


def read_ego4d_imu(data: bytes, folder: Path) -> None:
    (folder / "a.csv").write_bytes(data)
    samples(layout(folder, "ego4d"), folder / "a.csv")


def read_uestc_imu(data: bytes, folder: Path) -> None:
    (folder / "a.csv").write_bytes(data)
    samples(layout(folder, "uestc"), folder / "a.csv")


def read_table_imu(data: bytes, folder: Path) -> None:
    (folder / "a.csv").write_bytes(data)
    for unit in ("s", "ns"):
        columns = {**COLUMNS, "time_unit": unit}
        samples(layout(folder, "table", table="t.csv", imu={"csv": columns}), folder / "a.csv")


def read_npy(data: tuple[bytes, bytes], folder: Path) -> None:
    (folder / "a.npy").write_bytes(data[0])
    (folder / "a_timestamps.npy").write_bytes(data[1])
    for kind in ("ego4d", "egoexo4d", "uestc"):
        samples(layout(folder, kind), folder / "a.npy")


def read_splits(data: bytes, folder: Path) -> None:
    write_splits(folder, dict.fromkeys(SPLITS, SPLIT.splitlines()[:1]))
    (folder / "train.txt").write_bytes(data)
    for row in read_split_files(folder):
        assert row[0]
        assert row[1]


def read_recordings(data: bytes, folder: Path) -> None:
    (folder / "table.csv").write_bytes(data)
    for recording in layout(folder, "table", table=str(folder / "table.csv")).recordings():
        assert recording.id


def read_ego4d_json(data: bytes, folder: Path) -> None:
    write_splits(folder / "splits", {"train": ["a\tx", "b\ty"], "val": ["c\tx"], "test": ["d\tx"]})
    (folder / "ego4d.json").write_bytes(data)
    for recording in layout(folder, "ego4d").recordings():
        assert isinstance(recording.group, str)


def read_takes(data: tuple[bytes, bytes], folder: Path) -> None:
    write_splits(folder / "splits", {"train": ["a\tx", "b\ty"], "val": ["c\tx"], "test": ["d\tx"]})
    (folder / "takes.json").write_bytes(data[0])
    (folder / "captures/k").mkdir(parents=True, exist_ok=True)
    (folder / "captures/k/timesync.csv").write_bytes(data[1])
    reader = layout(folder, "egoexo4d")
    for recording in reader.recordings():
        assert isinstance(recording.imu, Path)
        reader._video_start_ns(recording.id)  # type: ignore[attr-defined]


def read_config(data: Any, folder: Path) -> None:
    if isinstance(data, bytes):
        try:
            data = yaml.safe_load(data)
        except (yaml.YAMLError, ValueError, RecursionError):  # Snakemake reads the file, not we
            return
    load(data)


def read_video(data: bytes, folder: Path) -> None:
    (folder / "a.mp4").write_bytes(data)
    try:
        probe(folder / "a.mp4")
    finally:
        made = extract(folder / "a.mp4", folder / "out.mp4", 10, 32, 10, 18)
        assert made.n_frames > 0


CONFIG: dict[str, Any] = {
    "datasets": {"d": {"layout": "table", "root": "x", "table": "t", "video": {"size": 32}, "imu": {"csv": COLUMNS}}},
    "teachers": {"t": {"checkpoint": "some/model"}},
    "students": {"s": {"architecture": "mantis", "architecture_config": {"seq_len": 64}}},
    "defaults": {"dataset": "d", "teacher": "t", "student": "s", "queue_size": 8, "epochs": 2, "learning_rate": 0.1},
    "experiments": {"none": {"objective": "none"}, "e": {"student_temperature": [0.1, 0.2], "eval_datasets": ["d"]}},
    "evaluation": {"labels_per_class": [1, "all"]},
}  # fmt: skip
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
    | st.sampled_from(["d", "t", "s", "e", "${NO}", "${HOME", "~", "../..", "a\0b", "\udcff", [], {}, "comodo", "all"])
)  # fmt: skip
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=6) | st.integers() | st.sampled_from(["video", "root"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


NEW_KEYS = st.text(max_size=6) | st.sampled_from(["batch_size", "baseline", "video", "projection"])


@st.composite
def regrown(draw: st.DrawFn, sound: Any) -> Any:
    """A tree with some branches replaced, left out or renamed."""
    made = json.loads(json.dumps(sound))
    for _ in range(draw(st.integers(0, 4))):
        block = made
        while isinstance(block, (dict, list)) and block:
            key: Any = draw(
                st.sampled_from(sorted(block, key=str) if isinstance(block, dict) else range(len(block)))
            )
            if isinstance(block[key], (dict, list)) and draw(st.integers(0, 3)):
                block = block[key]
                continue
            kind = draw(st.sampled_from(["put", "put", "new", "drop"]))
            if kind == "drop":
                del block[key]
            elif kind == "new" and isinstance(block, dict):
                block[draw(NEW_KEYS)] = draw(TREES)
            else:
                block[key] = draw(TREES)
            break
    return made


GROUPS = {
    "videos": [{"video_uid": "a", "fb_participant_id": 7}, {"video_uid": "b", "fb_participant_id": None}]
}
TAKES = [take("a", capture="k"), take("b", capture="k", start_row=1)]


def any_json(sound: Any) -> st.SearchStrategy[bytes]:
    trees = (regrown(sound) | TREES).map(lambda tree: json.dumps(tree, default=str, skipkeys=True).encode())
    return trees | any_bytes(json.dumps(sound, indent=0), separator=" ")


SYNC = "t,aria01_214-1_capture_timestamp_ns\n1,5\n2,6\n3,7\n"

READERS: dict[str, tuple[Any, Callable[[Any, Path], None]]] = {
    "ego4d csv": (any_bytes(EGO4D), read_ego4d_imu),
    "uestc csv": (any_bytes(UESTC, "ax,ay,az,gx,gy,gz\n" + UESTC), read_uestc_imu),
    "table imu csv": (any_bytes(TABLE_IMU, TABLE_IMU.replace(",", ";")), read_table_imu),
    "npy": (
        st.tuples(
            HEADERS | ARRAYS | smashed(npy(np.ones((6, 50)) * TIME)), HEADERS | ARRAYS | smashed(npy(TIME * 1000))
        ),
        read_npy,
    ),
    "split file": (any_bytes(SPLIT, "p/data/1_up/a 1 2 0\np/data/2_down/b 3 4 1\n", separator="\t"), read_splits),
    "table csv": (any_bytes(RECORDINGS), read_recordings),
    "ego4d.json": (any_json(GROUPS), read_ego4d_json),
    "takes.json": (st.tuples(any_json(TAKES), any_bytes(SYNC)), read_takes),
    "config": (regrown(CONFIG) | TREES | any_bytes(yaml.safe_dump(CONFIG), separator=": "), read_config),
    "video": (st.deferred(lambda: smashed(VIDEO[0])), read_video),
}  # fmt: skip
EXPECTED = (LayoutError, ImuError, ConfigError, VideoError)
VIDEO: list[bytes] = []

HUGE = npy(TIME)[:60].replace(b"(50,)", b"(1, 2147483648)")
EMPTY = b"\x93NUMPY\x01\x00;\x00{'descr': '<f8', 'fortran_order': False, 'shape': (2, -5)}\n"
FOUND: list[tuple[str, Any]] = [
    ("table imu csv", TABLE_IMU.encode()),  # seconds said to be nanoseconds: asked for 56 GB
    ("table imu csv", b"t,ax,ay,az,gx,gy,gz\n" + b"a" * 200_000),
    ("table csv", RECORDINGS.replace("sit", "s" * 200_000).encode()),  # a cell longer than csv takes
    ("npy", (npy(np.ones((6, 50))), HUGE)),  # 16 GB
    ("npy", (npy(np.zeros((0, 0))), EMPTY)),
    ("npy", (npy(TIME), npy(TIME)[:60] + b"\0" * 20 + npy(TIME)[80:])),  # null bytes in the header
    ("config", None),
    ("config", {**CONFIG, "defaults": ["epochs"]}),
    ("config", {**CONFIG, "defaults": {0: None}}),
    ("config", {**CONFIG, "experiments": {"e": {"baseline": ["e"]}}}),
    (
        "config",
        {**CONFIG, "experiments": {"e": dict.fromkeys(["epochs", "batch_size", "queue_size"], [1] * 1000)}},
    ),
    ("ego4d.json", b'{"videos": [[["a"], 1]]}'),
    ("ego4d.json", b"[" * 100_000),
    ("takes.json", (b"[" * 100_000, b"")),
    ("takes.json", (json.dumps([{**TAKES[0], "root_dir": 5}]).encode(), SYNC.encode())),
    ("takes.json", (b'[["a", "0"]]', b"")),
]


def fail(*_: object) -> None:
    raise Hang(f"no end after {LONGEST_S} s")


@pytest.fixture
def bounded() -> Iterator[None]:
    """A limit of memory, and of time for each input."""
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY, before[1]))
    handler = signal.signal(signal.SIGALRM, fail)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, handler)
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", READERS)
def test_any_bytes_give_a_result_or_the_documented_error(name: str, tmp_path: Path, bounded: None) -> None:
    strategy, read = READERS[name]
    if not VIDEO:
        VIDEO.append(write_video(tmp_path / "sound.mp4", 20).read_bytes())

    def check(given: Any) -> None:
        signal.alarm(LONGEST_S)
        with suppress(*EXPECTED):
            read(given, tmp_path)
        signal.alarm(0)

    for given_name, found in FOUND:
        if given_name == name:
            check(found)
    everything = settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=not MINUTES,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    run = everything(given(strategy)(check))
    began, end = time.process_time(), time.monotonic() + 60 * MINUTES / len(READERS)
    rounds = 1
    run()
    while time.monotonic() < end:
        run()
        rounds += 1
    print(f"\nfuzzed {name}: {rounds} × {EXAMPLES} inputs, {time.process_time() - began:.0f} s of CPU")
