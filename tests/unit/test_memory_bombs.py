"""Files that ask for more memory or time than they should get are refused, in bounded memory."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import textwrap
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from comodo.recordings.small_video import extract
from comodo.storage.artefacts import CHECKED, open_hdf5
from tests.support.mp4 import write_picture
from tests.support.writers import write_splits, write_video

pytestmark = pytest.mark.slow

MB = 1 << 20
HEADER = b"canonical_timestamp_ms,gyro_x,gyro_y,gyro_z,accl_x,accl_y,accl_z\n"
CHILD = """
import resource
from pathlib import Path
import h5py, numpy, pandas, pyarrow.csv
from comodo.config import DatasetSettings
from comodo.embeddings import store
from comodo.layouts import Recording, open_layout
from comodo.layouts.split_files import read_split_files
from comodo.layouts import media
from comodo.recordings import resample, small_video, video_source
def layout(kind, **more):
    return open_layout("x", DatasetSettings.model_validate({"layout": kind, "root": ".", **more}))
def recording(path):
    return Recording("a", "train", "x", Path("a.mp4"), Path(path))
def megabytes():
    # ru_maxrss would be that of the process which started this one, where that is larger
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) >> 10
resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
before = megabytes()
try:
    %s
except Exception as error:
    print(type(error).__name__, str(error)[:300].replace("\\n", " "))
print(megabytes() - before)
"""


def refused(code: str, folder: Path) -> tuple[str, int]:
    """What a process of its own says to `code`, and the memory it took, MB."""
    command = [sys.executable, "-c", CHILD % textwrap.indent(code, "    ").strip()]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=True)
    *said, memory = done.stdout.strip().splitlines()
    return "\n".join(said), int(memory)


def write_line(path: Path, piece: bytes, size: int = 100 * MB, first: bytes = b"") -> None:
    with path.open("wb") as file:
        file.write(first)
        for _ in range(size // (len(piece) << 10)):
            file.write(piece * 1024)


def png(side: int) -> bytes:
    """A grey picture of `side` × `side` pixels in a few kB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(1 + side)) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def write_absurd_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("embedding", (1 << 40, 1 << 20), "float32", chunks=(1, 1024))
        for name in ("clip", "label", "split"):
            file.create_dataset(name, (1 << 40,), h5py.string_dtype(), chunks=(1024,))
        file.attrs["clips_digest"], file.attrs["checksum"] = "x", 0


def npy(shape: str) -> bytes:
    text = b"{'descr': '<f8', 'fortran_order': False, 'shape': %s}\n" % shape.encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def sparse_imu(path: Path) -> None:
    """10,000 pairs of samples, five hours after each other: a signal of six years."""
    times = [f"{18_000_000 * k + more},1,2,3,4,5,{k}" for k in range(10_000) for more in (0, 10)]
    path.write_bytes(HEADER + "\n".join(times).encode())


FIRST_WIDTH = """
path = Path("a.mp4")
with media.open_video(path) as container:
    print(next(container.decode(media.video_stream(container, path))).width)
"""
READ_CSV = 'layout("ego4d").read_imu(recording("a.csv"))'
BOMBS: dict[str, tuple[Callable[[Path], object], str, str, int]] = {
    "single-line csv": (lambda f: write_line(f / "a.csv", b"1,2,3,"), READ_CSV, "imu|first line does not end", 100),
    "single-cell csv": (lambda f: write_line(f / "a.csv", b"aaaa"), READ_CSV, "first line does not end", 100),
    "csv with an endless second line": (
        lambda f: write_line(f / "a.csv", b"1,2,3,", first=HEADER), READ_CSV, "a line does not end", 50,
    ),
    "single-line split file": (
        lambda f: (
            write_splits(f, {"val": ["a\tx"], "test": ["b\tx"]}),
            write_line(f / "train.txt", b"aaaa", first=b"a\t"),
        ),
        'read_split_files(Path("."))', "train.txt has 100 MB, too much for a list", 20,
    ),
    "single-line table": (
        lambda f: write_line(f / "t.csv", b"1,2,3,"), 'layout("table", table="t.csv").recordings()', "has 99 MB", 20,
    ),
    "npy that declares more than it holds": (
        lambda f: (
            (f / "a.npy").write_bytes(npy("(6, 2147483648)")),
            (f / "a_timestamps.npy").write_bytes(npy("(2,)")),
        ),
        'layout("ego4d").read_imu(recording("a.npy"))', "ImuError .*a.npy is not an array", 20,
    ),
    "timestamps far apart": (
        lambda f: sparse_imu(f / "a.csv"), f"resample.resample({READ_CSV})", "spread 4.* samples over .* hours", 200,
    ),
    "picture of 256 MB": (  # of a smaller one no video is made either: it is the memory that tells
        lambda f: write_picture(f / "a.mp4", png(16000), 16000),
        'small_video.extract(Path("a.mp4"), Path("out.mp4"), 10, 32, 10, 18)', "VideoError", 100,
    ),
    "HDF5 of absurd shapes": (
        lambda f: write_absurd_hdf5(f / "a.h5"),
        'store.open_store(Path("a.h5")).__enter__()',
        "DamageError .*bytes in a file",
        50,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_refused_in_bounded_memory(name: str, tmp_path: Path) -> None:
    write, code, why, most = BOMBS[name]
    write(tmp_path)
    said, memory = refused(code, tmp_path)
    print(f"{name}: {memory} MB: {said}")
    assert re.search(why, said), said
    assert memory < most


def test_large_sound_files_are_no_bombs(tmp_path: Path) -> None:
    """A picture of 8K and an array of any length are read."""
    write_picture(tmp_path / "a.mp4", png(7680), 7680)
    said, _ = refused(FIRST_WIDTH, tmp_path)
    assert said == "7680"
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=np.zeros((1000, 1000), np.float32), chunks=True, **CHECKED)
        file["text"] = ["x" * k for k in range(1000)]
    with open_hdf5(tmp_path / "a.h5") as file:
        assert file["x"].shape == (1000, 1000)


def test_a_jump_of_years_in_the_time_of_a_video(tmp_path: Path) -> None:
    """The gap would be filled with 10 pictures a second."""
    write_video(tmp_path / "a.mp4", 40)
    data = (tmp_path / "a.mp4").read_bytes()
    place = data.index(b"stts")
    count, runs = struct.unpack(">II", data[place + 4 : place + 12])[1], data[place + 12 : place + 20]
    assert (count, struct.unpack(">I", runs[:4])[0]) == (1, 40)
    delta = struct.unpack(">I", runs[4:])[0]
    jumped = struct.pack(">II", 40, 40_000 * delta)  # 4000 s between frames
    (tmp_path / "a.mp4").write_bytes(data.replace(runs, jumped))
    made = extract(tmp_path / "a.mp4", tmp_path / "out.mp4", 10, 32, 10, 18)
    assert made.n_frames < 50
    assert made.duration_s < 10
    assert made.reason in ("video_damaged", "video_truncated")
