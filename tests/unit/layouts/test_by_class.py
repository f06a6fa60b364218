"""Layouts of users' own classes: return values are checked, and errors name the fault."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from comodo.clips import REASONS
from comodo.config import DatasetSettings
from comodo.errors import ImuError, LayoutError
from comodo.layouts.by_class import IMU_REASONS
from comodo.layouts.opening import open_layout
from comodo.layouts.types import ImuSamples, Recording
from comodo.recordings.imu_shard import preprocess, write_imu_shard

HERE = "tests.unit.layouts.test_by_class"
TIME = np.arange(100) / 50


@dataclass
class Lab:
    """A layout whose answers a test sets."""

    name: str
    settings: DatasetSettings
    more: str = ""
    listed: ClassVar[Any] = []
    read: ClassVar[Any] = []
    clocks: ClassVar[Any] = []
    seen: list[str] = field(default_factory=list)

    def recordings(self) -> Any:
        if isinstance(self.listed, BaseException):
            raise self.listed
        return self.listed

    def read_imu(self, recording: Recording) -> Any:
        if isinstance(self.read, Exception):
            raise self.read
        return self.read

    def clock_files(self, recording: Recording) -> Any:
        return self.clocks


class Empty:
    def __init__(self, name: str, settings: DatasetSettings) -> None:
        pass


def settings(kind: str = "Lab", **more: Any) -> DatasetSettings:
    raw = {"class": f"{HERE}:{kind}", "root": "/data/lab", **more}
    return DatasetSettings.model_validate(raw)


def recording(**changes: Any) -> Recording:
    about = {
        "id": "a",
        "split": "train",
        "label": "x",
        "video": Path("a.mp4"),
        "imu": Path("a.csv"),
        **changes,
    }
    return Recording(**about)


GOOD = [
    recording(id=f"{split}{n}", split=split, label=f"class {n}")
    for split in ("train", "val", "test")
    for n in range(2)
]


def listed(monkeypatch: pytest.MonkeyPatch, answer: Any, **more: Any) -> list[Recording]:
    monkeypatch.setattr(Lab, "listed", answer)
    return open_layout("lab", settings(**more)).recordings()


def test_recordings_arrive_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert listed(monkeypatch, GOOD) == GOOD
    assert {r.video for r in listed(monkeypatch, GOOD, video=None)} == {None}


def test_paths_may_be_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [replace(r, video="v.mp4", imu="i.csv") for r in GOOD]  # type: ignore[arg-type]
    assert listed(monkeypatch, texts)[0].imu == Path("i.csv")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, r"recordings\(\) of .*:Lab returns no list of comodo's Recording"),
        ([("a", "train")], "returns no list of comodo's Recording"),
        ((r for r in GOOD), "returns no list of comodo's Recording"),
        ([recording(id=5)], "recording 5: id is no text"),
        ([recording(label=None)], "recording 'a': label is no text"),
        ([recording(group=1)], "recording 'a': group is no text"),
        ([recording(split="dev")], "recording 'a': it needs an id, a label, and a split of train, val, test"),
        ([recording(id="")], "recording '': it needs an id"),
        ([recording(video=None)], "recording 'a' has no video: name it, or set `video: null`"),
        (tuple(GOOD), "returns no list of comodo's Recording"),
        ([recording(video=5)], "recording 'a': video is int, not a path"),
        ([recording(imu=None)], "recording 'a': imu is NoneType, not a path"),
        ([recording(start_s="0")], "recording 'a': start_s is '0' and end_s None; they are seconds from 0"),
        ([recording(start_s=-1.0)], "start_s is -1.0"),
        ([recording(start_s=float("nan"))], "start_s is nan"),
        ([recording(start_s=5.0, end_s=5.0)], "it ends at 5.0 s, before it starts at 5.0 s"),
        ([recording(label="x "), recording(id="b", label="x")], "differ only in case, blanks or Unicode"),
        ([*GOOD, GOOD[0]], "train0"),
        (GOOD[:2], "val"),
        ([], "train"),
        (KeyError("gone"), r"datasets.lab.class: .*:Lab failed: KeyError: 'gone' \(.*test_by_class.py, line"),
        (ImuError("imu_clock", "too early"), "Lab failed: ImuError: too early"),
        (OSError(2, "No such file", "sessions.txt"), r"Lab failed: FileNotFoundError: .*sessions.txt"),
        (ValueError("a\nb\x1b[31m"), r"Lab failed: ValueError: a \("),
        (SystemExit(0), r"Lab failed: SystemExit: 0"),
        (LayoutError("sessions.txt is missing"), "sessions.txt is missing"),
    ],
)
def test_lists_that_are_unsound(monkeypatch: pytest.MonkeyPatch, answer: Any, message: str) -> None:
    with pytest.raises(LayoutError, match=message) as caught:
        listed(monkeypatch, answer)
    assert "\n" not in str(caught.value)


def test_arguments_of_the_class(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = open_layout("lab", settings(kwargs={"more": "x"}))
    assert layout.layout.more == "x"  # type: ignore[attr-defined]
    with pytest.raises(LayoutError, match=r"datasets.lab: class .*Lab\(less=1\) failed: TypeError"):
        open_layout("lab", settings(kwargs={"less": 1}))


def test_what_is_no_layout() -> None:
    with pytest.raises(LayoutError, match=r"datasets.lab.class: .*:Empty has no method 'recordings'"):
        open_layout("lab", settings("Empty"))
    with pytest.raises(LayoutError, match=r"datasets.lab: class .*: .* has no class 'Nothing'"):
        open_layout("lab", settings("Nothing"))


def samples(**changes: Any) -> ImuSamples:
    about = {
        "accel_t": TIME,
        "accel": np.ones((3, 100)),
        "gyro_t": TIME,
        "gyro": np.ones((3, 100)),
        **changes,
    }
    return ImuSamples(**about)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([], "reads no samples"),
        (None, "reads no samples"),
        (ImuError("imu_clock", "no clock"), "no clock"),
        (samples(), "returns ImuSamples, not a list of ImuSamples"),
        ([np.ones((7, 100))], r"returns a list of ndarray, not of ImuSamples"),
        (
            [samples(accel=np.ones((100, 3)))],
            r"accel is \(100, 3\), with accel_t \(100,\): it should be \(3, 100\)",
        ),
        ([samples(gyro_t=TIME[:50])], r"gyro is \(3, 100\), with gyro_t \(50,\): it should be \(3, 50\)"),
        ([samples(), None], "returns a list of NoneType, not of ImuSamples"),
        ([samples(accel=np.ones((3, 100), np.float16))], "accel holds float16, not floats of 32 or 64 bits"),
        (
            [samples(gyro=np.ma.masked_less(np.ones((3, 100)), 0))],
            "gyro is masked: fill what is missing with NaN",
        ),
        (
            [samples(accel_t=TIME[None])],
            r"accel is \(3, 100\), with accel_t \(1, 100\): it should be \(3, N\)",
        ),
        ([samples(accel_t=TIME.astype("datetime64[s]"))], r"accel_t holds datetime64\[s\], not floats"),
        ([samples(accel=np.ones((3, 100), complex))], "accel holds complex128, not floats"),
        ([samples(notes="odd")], "notes are not a list of texts"),
        ([samples(rate_hz=0)], "rate_hz is 0, not a number of Hz or None"),
        ([samples(gravity=float("nan"))], "gravity is nan, not a length of `accel` at rest"),
        (
            ImuError("broken", "it is broken"),
            "ImuError of the unknown reason 'broken'; known are imu_missing_file",
        ),
        (ImuError("no_video", "it is broken"), "unknown reason 'no_video'"),
        ([samples(accel=[[0.0] * 100] * 3)], "accel is list, not an array of floats"),
        ([samples(gyro=np.ones((3, 100), dtype=int))], "gyro holds int64, not floats"),
    ],
)
def test_imu_that_is_unsound(monkeypatch: pytest.MonkeyPatch, answer: Any, message: str) -> None:
    monkeypatch.setattr(Lab, "read", answer)
    with pytest.raises((ImuError, LayoutError), match=message):
        open_layout("lab", settings()).read_imu(recording())


def test_clock_files_may_be_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lab, "clocks", ["clock.csv"])
    assert open_layout("lab", settings()).clock_files(recording()) == [Path("clock.csv")]


@pytest.mark.parametrize("answer", ["clock.csv", None, 5, [5], {"a": "b"}, [None]])
def test_clock_files_of_another_kind(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    """A text is no list of its letters."""
    monkeypatch.setattr(Lab, "clocks", answer)
    with pytest.raises(LayoutError, match=r"clock_files of .*:Lab returns \w+, not a list of paths"):
        open_layout("lab", settings()).clock_files(recording())


def test_reasons_are_those_of_the_report() -> None:
    windows = {"imu_gap", "imu_starts_late", "imu_ends_early", "imu_too_short"}
    assert set(IMU_REASONS) == {reason for reason in REASONS if reason.startswith("imu_")} - windows


def test_samples_in_wrong_units_are_noted_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accelerations in g, and times in milliseconds."""
    time = np.arange(2000) / 200
    turn = np.sin(time)[None].repeat(3, 0)

    def signal(**changes: Any) -> Any:
        about = {"accel_t": time, "accel": turn + 9.81, "gyro_t": time, "gyro": turn, **changes}
        monkeypatch.setattr(Lab, "read", [ImuSamples(**about)])
        return next(preprocess(open_layout("lab", settings()), [recording()], settings()))[1]

    assert not isinstance(signal(), ImuError)
    assert any("wrong unit" in note for note in signal(accel=turn / 10 + 0.6).notes)
    milliseconds = signal(accel_t=time * 1000, gyro_t=time * 1000)
    assert isinstance(milliseconds, ImuError)
    assert "a wrong unit of time?" in str(milliseconds)


def test_ids_that_look_like_paths(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = ["../../evil", "/etc/x", "a/b", "a\nb", ".."]
    odd = [recording(id=name) for name in names]
    found = listed(monkeypatch, [*GOOD, *(replace(r, label="class 0") for r in odd)])
    write_imu_shard(tmp_path / "0.h5", ((r, ImuError("imu_empty", "none")) for r in found))
    assert [path.name for path in tmp_path.iterdir()] == ["0.h5"]


def test_recordings_to_classify_need_no_label_and_no_video(monkeypatch: pytest.MonkeyPatch) -> None:
    night = recording(id="night", split="predict", label="", video=None)
    assert listed(monkeypatch, [*GOOD, night])[-1] == night
    with pytest.raises(LayoutError, match="it needs an id, a label"):
        listed(monkeypatch, [*GOOD, replace(night, split="train")])
