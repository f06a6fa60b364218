"""GoPro samples by the spans of their payloads."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from comodo.errors import ImuError
from comodo.layouts.camera import read_camera
from comodo.layouts.gpmf import Payloads, read_payloads, sample_times
from tests.support.gopro import payload, write_gopro
from tests.support.imu import Floats, wave

SPAN = 1.001


def payloads_of(counts: list[int], rate: float = 200.0) -> list[bytes]:
    """Payloads with so many samples each."""
    edges = np.cumsum([0, *counts])
    moment = np.arange(edges[-1]) / rate
    values = wave(moment)
    return [payload(values[:3, a:b], values[3:, a:b]) for a, b in itertools.pairwise(edges)]


def read(path: Path) -> Payloads:
    with path.open("rb") as file:
        found = read_payloads(file)
    assert found is not None
    return found


def times(tmp_path: Path, counts: list[int], frames: int = 300, **edits: list[tuple[int, int]]) -> Floats:
    return sample_times(read(write_gopro(tmp_path / "a.mp4", payloads_of(counts), frames, **edits)), "accl")


def test_uneven_payloads_are_one_steady_stream(tmp_path: Path) -> None:
    counts = [171, 216, 198, 198, 201]
    found = times(tmp_path, counts)
    np.testing.assert_allclose(found, np.arange(984) * (5 * SPAN / 984), atol=1e-9)
    payloads = read(tmp_path / "a.mp4")
    assert payloads.counts["gyro"].tolist() == counts
    assert payloads.frame_hz == pytest.approx(29.97, abs=0.01)


@pytest.mark.parametrize("missing", [[0], [0, 1], [3], [2, 3, 4], [1, 4], [6], [5, 6]])
def test_missing_payloads_are_holes(tmp_path: Path, missing: list[int]) -> None:
    counts = [0 if n in missing else 200 for n in range(7)]
    found = times(tmp_path, counts)
    expected = np.concatenate([(n + np.arange(200) / 200) * SPAN for n in range(7) if n not in missing])
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_the_last_payload_may_be_short(tmp_path: Path) -> None:
    found = times(tmp_path, [200, 200, 200, 14])
    np.testing.assert_allclose(found, np.arange(614) * (SPAN / 200), atol=1e-9)


@pytest.mark.parametrize(
    ("edits", "zero"),
    [
        ([(5000, 947)], -0.947),  # cut at 0.947 s
        ([(250, -1), (5000, 0)], 0.25),  # starts late
        ([(250, -1), (5000, 500)], -0.25),
        ([], 0.0),
    ],
)
def test_the_edit_list_of_the_telemetry(tmp_path: Path, edits: list[tuple[int, int]], zero: float) -> None:
    assert times(tmp_path, [200] * 5, edits=edits)[0] == pytest.approx(zero)


def test_time_zero_is_the_first_frame_that_is_shown(tmp_path: Path) -> None:
    """The cut at 0.28 s lies within the ninth frame: the tenth, at 0.3003 s, is the first one shown."""
    found = times(tmp_path, [200] * 5, video_edits=[(5000, 8400)], edits=[(5000, 280)])
    assert found[0] == pytest.approx(-0.3003, abs=1e-6)


def test_averages_of_a_time_lapse_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImuError, match="averages, one per video frame") as caught:
        times(tmp_path, [30] * 5, frames=150)
    assert caught.value.reason == "imu_time_lapse"
    assert len(times(tmp_path, [200] * 5, frames=1000)) == 1000  # many frames, but a real rate


def test_another_kind_of_file_has_no_payloads(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"\0" * 100)
    with (tmp_path / "a.mp4").open("rb") as file:
        assert read_payloads(file) is None


@pytest.mark.parametrize(("kind", "place"), [(b"stts", 12), (b"stsz", 12)])
def test_tables_that_claim_billions_of_samples(tmp_path: Path, kind: bytes, place: int) -> None:
    """In 20 bytes; numpy would take the memory."""
    data = write_gopro(tmp_path / "a.mp4", payloads_of([200] * 3), 90).read_bytes()
    at = data.rindex(kind) + place
    (tmp_path / "a.mp4").write_bytes(data[:at] + b"\x7f\xff\xff\xff" + data[at + 4 :])
    with (tmp_path / "a.mp4").open("rb") as file, pytest.raises(ValueError, match="samples"):
        read_payloads(file)


def test_a_table_as_large_as_a_sparse_file(tmp_path: Path) -> None:
    with (tmp_path / "a.mp4").open("wb") as file:
        length = (1 << 40).to_bytes(8, "big")
        file.write(b"".join(b"\0\0\0\1" + kind + length for kind in (b"moov", b"trak", b"stts")))
        file.truncate(1 << 40)
    with (tmp_path / "a.mp4").open("rb") as file, pytest.raises(ValueError, match="a table of"):
        read_payloads(file)


def test_boxes_within_boxes_without_end(tmp_path: Path) -> None:
    depth = 30_000
    levels = b"".join((8 * (depth - n) + 8).to_bytes(4, "big") + b"trak" for n in range(depth))
    (tmp_path / "a.mp4").write_bytes((len(levels) + 16).to_bytes(4, "big") + b"moov" + levels + b"\0" * 8)
    with pytest.raises(ImuError):
        read_camera(tmp_path / "a.mp4")


@pytest.mark.parametrize("cut", [100, 2000, 11_000])
def test_a_file_that_was_cut_short(tmp_path: Path, cut: int) -> None:
    data = write_gopro(tmp_path / "a.mp4", payloads_of([200] * 5), 150).read_bytes()
    (tmp_path / "a.mp4").write_bytes(data[:-cut])
    with (tmp_path / "a.mp4").open("rb") as file:
        found = read_payloads(file)
    assert found is None or len(sample_times(found, "accl")) <= 1000
