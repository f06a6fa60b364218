from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from comodo.config import DatasetSettings
from comodo.layouts.types import Recording
from comodo.recordings.raw_files import (
    AS_SIMULATED,
    fingerprint,
    labelled_state,
    predicted_recordings,
    predicted_shards,
    predicted_state,
    raw_state,
    recordings_of,
)

SPLITS = {"train": "a\tx\nb\ty\n", "val": "c\tx\nd\ty\n", "test": "e\tx\nf\ty\n"}


@pytest.fixture
def settings(tmp_path: Path) -> DatasetSettings:
    for folder in ("full_scale", "imu", "splits"):
        (tmp_path / folder).mkdir()
    for name, text in SPLITS.items():
        (tmp_path / "splits" / f"{name}.txt").write_text(text)
    for name in "abcdef":
        (tmp_path / "full_scale" / f"{name}.mp4").write_text(name)
        (tmp_path / "imu" / f"{name}.csv").write_text(name)
    return DatasetSettings(layout="ego4d", root=str(tmp_path), shards=2)


def test_shards_divide_the_recordings(settings: DatasetSettings) -> None:
    parts = [{r.id for r in recordings_of("d", settings, shard)} for shard in range(2)]
    assert parts[0] | parts[1] == set("abcdef")
    assert not parts[0] & parts[1]
    assert [r.id for r in recordings_of("d", settings)] == list("abcdef")


@pytest.mark.parametrize("file", ["full_scale/{}.mp4", "imu/{}.csv"])
def test_replaced_file_changes_its_shard_only(settings: DatasetSettings, tmp_path: Path, file: str) -> None:
    before = [raw_state("d", settings, shard, None) for shard in range(2)]
    labelled = labelled_state("d", settings, None, None)
    name = recordings_of("d", settings, 1)[0].id
    (tmp_path / file.format(name)).write_text("another file")
    after = [raw_state("d", settings, shard, None) for shard in range(2)]
    assert before[0] == after[0]
    assert before[1] != after[1]
    assert labelled_state("d", settings, None, None) == labelled


def test_simulated_data_are_noticed_when_touched_only(settings: DatasetSettings, tmp_path: Path) -> None:
    marker = tmp_path / "simulated.json"
    assert raw_state("d", settings, 0, marker) == AS_SIMULATED  # nothing simulated yet
    files = []
    for path in sorted(tmp_path.rglob("*.*")):
        stat = path.stat()
        files.append(
            {"path": str(path.relative_to(tmp_path)), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
        )
    marker.write_text(json.dumps({"files": files}))
    assert raw_state("d", settings, 0, marker) == raw_state("d", settings, 1, marker) == AS_SIMULATED
    assert labelled_state("d", settings, None, marker) == AS_SIMULATED
    os.utime(recordings_of("d", settings, 1)[0].imu, ns=(0, 0))
    assert raw_state("d", settings, 0, marker) == AS_SIMULATED
    assert raw_state("d", settings, 1, marker) != AS_SIMULATED
    assert labelled_state("d", settings, None, marker) == AS_SIMULATED
    (tmp_path / "splits/test.txt").write_text("e\ty\nf\ty\n")
    assert labelled_state("d", settings, None, marker) != AS_SIMULATED


def test_without_video_only_the_imu_is_looked_at(settings: DatasetSettings, tmp_path: Path) -> None:
    alone = settings.model_copy(update={"video": None})
    before = raw_state("d", alone, 1, None)
    name = recordings_of("d", alone, 1)[0].id
    (tmp_path / f"full_scale/{name}.mp4").unlink()
    assert raw_state("d", alone, 1, None) == before
    assert raw_state("d", alone, 1, None) != raw_state("d", settings, 1, None)
    (tmp_path / f"imu/{name}.csv").write_text("another file")
    assert raw_state("d", alone, 1, None) != before


def recording(folder: Path, name: str = "a") -> Recording:
    return Recording(name, "train", "x", folder / f"{name}.mp4", folder / f"{name}.csv")


def test_fingerprint_of_a_recording_without_video_is_that_of_its_imu(tmp_path: Path) -> None:
    one = Recording("a", "train", "x", None, tmp_path / "a.csv")
    before = fingerprint([one])
    assert before != fingerprint([recording(tmp_path)])
    one.imu.write_bytes(b"12")
    assert fingerprint([one]) != before


def test_fingerprint_notices_every_change_of_a_raw_file(tmp_path: Path) -> None:
    one = recording(tmp_path)
    seen = [fingerprint([one])]
    one.video.write_bytes(b"12")
    seen.append(fingerprint([one]))
    one.imu.write_bytes(b"12")
    seen.append(fingerprint([one]))
    one.imu.write_bytes(b"123")
    os.utime(one.imu, ns=(5, 5))
    seen.append(fingerprint([one]))
    os.utime(one.imu, ns=(5, 6))
    seen.append(fingerprint([one]))
    seen.append(fingerprint([one, recording(tmp_path, "b")]))
    seen.append(fingerprint([Recording("other", one.split, one.label, one.video, one.imu)]))
    seen.append(fingerprint([Recording(one.id, one.split, one.label, one.video, one.imu, end_s=3.0)]))
    assert len(set(seen)) == len(seen)
    assert fingerprint([one]) == seen[4]


def test_fingerprint_survives_what_cannot_be_stated(tmp_path: Path) -> None:
    loop = tmp_path / "a.mp4"
    loop.symlink_to(loop)
    assert fingerprint(
        [recording(tmp_path), recording(tmp_path, "null\x00byte"), recording(tmp_path, "x" * 999)]
    )


def test_fingerprint_stats_each_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(
        "comodo.recordings.raw_files.os.stat",
        lambda path: calls.append(path) or (_ for _ in ()).throw(OSError),
    )
    cuts = [Recording(str(i), "train", "x", tmp_path / "v", tmp_path / "v", start_s=i) for i in range(50)]
    fingerprint(cuts)
    assert calls == [tmp_path / "v"]


def test_recordings_to_classify_change_nothing_else(settings: DatasetSettings, tmp_path: Path) -> None:
    assert predicted_recordings("d", settings) == predicted_shards("d", settings) == []
    states = [raw_state("d", settings, shard, None) for shard in range(2)]
    labelled = labelled_state("d", settings, None, None)
    (tmp_path / "splits/predict.txt").write_text("n\nm\n")
    own = settings.model_copy(update={"max_bad_fraction": 0.2})  # listed anew: lists are kept by settings
    assert [r.id for r in predicted_recordings("d", own)] == ["n", "m"]
    assert [r.id for r in recordings_of("d", own)] == list("abcdef")
    assert [raw_state("d", own, shard, None) for shard in range(2)] == states
    assert labelled_state("d", own, None, None) == labelled
    shards = predicted_shards("d", own)
    before = {shard: predicted_state("d", own, shard) for shard in shards}
    name = predicted_recordings("d", own, shards[0])[0].id
    (tmp_path / f"imu/{name}.csv").write_text("arrived")
    assert predicted_state("d", own, shards[0]) != before[shards[0]]
