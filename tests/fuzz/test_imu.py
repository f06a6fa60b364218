"""Readers of IMU: csv files of each layout and processed arrays; and what is made of the samples."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from comodo.errors import ImuError
from comodo.layouts.types import Layout, Recording
from comodo.recordings.resample import resample
from comodo.recordings.resample_reference import resample_reference
from tests.fuzz.conftest import Fuzz, Reader
from tests.fuzz.inputs import COLUMNS, any_bytes, layout, smashed
from tests.support.writers import EGO4D_HEADER, ego4d_lines

pytestmark = [pytest.mark.fuzz, pytest.mark.filterwarnings("ignore")]

TIME = np.arange(0, 1, 0.02)
EGO4D = "\n".join([EGO4D_HEADER, *ego4d_lines(TIME), ""])
TABLE_IMU = "t,ax,ay,az,gx,gy,gz\n" + "".join(f"{t},1,2,{k},4,5,{k}\n" for k, t in enumerate(TIME))
UESTC = "".join(f"1,2,{k},4,5,{k}\n" for k in range(50))


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


READERS: dict[str, tuple[st.SearchStrategy[Any], Reader]] = {
    "ego4d csv": (any_bytes(EGO4D), read_ego4d_imu),
    "uestc csv": (any_bytes(UESTC, "ax,ay,az,gx,gy,gz\n" + UESTC), read_uestc_imu),
    "table imu csv": (any_bytes(TABLE_IMU, TABLE_IMU.replace(",", ";")), read_table_imu),
    "npy": (
        st.tuples(
            HEADERS | ARRAYS | smashed(npy(np.ones((6, 50)) * TIME)), HEADERS | ARRAYS | smashed(npy(TIME * 1000))
        ),
        read_npy,
    ),
}  # fmt: skip

HUGE = npy(TIME)[:60].replace(b"(50,)", b"(1, 2147483648)")
EMPTY = b"\x93NUMPY\x01\x00;\x00{'descr': '<f8', 'fortran_order': False, 'shape': (2, -5)}\n"
FOUND: dict[str, list[Any]] = {
    "table imu csv": [
        TABLE_IMU.encode(),  # seconds said to be nanoseconds: asked for 56 GB
        b"t,ax,ay,az,gx,gy,gz\n" + b"a" * 200_000,
    ],
    "npy": [
        (npy(np.ones((6, 50))), HUGE),  # 16 GB
        (npy(np.zeros((0, 0))), EMPTY),
        (npy(TIME), npy(TIME)[:60] + b"\0" * 20 + npy(TIME)[80:]),  # null bytes in the header
    ],
}


@pytest.mark.parametrize("name", READERS)
def test_any_bytes_give_a_result_or_the_documented_error(name: str, fuzz: Fuzz) -> None:
    strategy, read = READERS[name]
    fuzz(name, strategy, read, FOUND.get(name, []))
