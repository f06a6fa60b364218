"""The kinds of notes on a recording."""

from __future__ import annotations

import pytest

from comodo.clips import REASONS
from comodo.notes import NOTES, count_notes, note


def test_a_note_is_of_a_known_kind() -> None:
    assert note("imu_wrap", "twice") == "imu_wrap: twice"
    with pytest.raises(KeyError):
        note("imu_odd", "x")
    assert not set(NOTES) & set(REASONS)


def test_recordings_are_counted_by_kind() -> None:
    details = [
        "imu_wrap: a; imu_stuck: b, c; imu_stuck: d",
        "",
        "no IMU from 1 to 2 s; imu_wrap: e",
        "own: text",
    ]
    assert count_notes(details) == {"imu_wrap": 2, "imu_stuck": 1}
