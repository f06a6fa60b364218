from __future__ import annotations

import csv
import runpy
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from comodo.clips.quality import check_quality, report_quality, summarise_quality
from comodo.clips.tables import kept_pairs, merge_candidates, pairs_of
from comodo.config import DatasetSettings
from comodo.errors import QualityError
from comodo.layouts.ids import shard_of
from comodo.layouts.types import Recording
from comodo.recordings.index import index_recordings
from comodo.recordings.small_video import extract_shard
from comodo.storage.artefacts import write_table


def indexed(*rows: tuple[str, str, str]) -> pd.DataFrame:
    recordings = [
        Recording(id=name, split=split, label=label, video=Path("v"), imu=Path("i"))
        for name, split, label in rows
    ]
    return index_recordings(recordings, shards=3)


def candidate_table(rows: list[tuple[str, int, str]], recordings: pd.DataFrame) -> pd.DataFrame:
    """Rows (recording, window, reason) as `pair_shard` writes them."""
    table = pd.DataFrame(rows, columns=["recording", "window", "reason"])
    table = table.merge(recordings[["recording", "split", "label"]])
    frames = 50 * (table["reason"] == "") * (table["window"] >= 0)
    return table.assign(
        clip=table["recording"] + "#", start_s=5.0 * table["window"], end_s=5.0, detail="", n_frames=frames
    )


@pytest.fixture
def recordings() -> pd.DataFrame:
    return indexed(
        *(("b", "train", "x"), ("a", "train", "y"), ("c", "val", "x"), ("d", "val", "y"), ("e", "test", "x"))
    )


GOOD = [(name, window, "") for name in "abcde" for window in (-1, 0, 1)]


def test_index_knows_shards(recordings: pd.DataFrame) -> None:
    assert recordings["recording"].tolist() == ["b", "a", "c", "d", "e"]
    assert recordings["shard"].tolist() == [shard_of(name, 3) for name in "bacde"]


def test_rows_kept_and_dropped_are_the_rows_indexed(recordings: pd.DataFrame) -> None:
    rows = [*GOOD, ("a", 2, "imu_gap"), ("a", 3, "no_video")]
    rows = [row for row in rows if row[0] != "e"] + [("e", -1, "video_unreadable")]
    quality = report_quality(recordings, candidate_table(rows, recordings))
    whole = quality[quality["window"] == -1]
    assert whole["recording"].tolist() == recordings["recording"].tolist()
    assert dict(zip(whole["recording"], whole["pairs"], strict=True)) == {
        "a": 2,
        "b": 2,
        "c": 2,
        "d": 2,
        "e": 0,
    }
    assert whole.loc[whole["recording"] == "e", "reason"].tolist() == ["video_unreadable"]
    dropped = quality[quality["window"] >= 0]
    assert dropped["reason"].tolist() == ["imu_gap", "no_video"]
    summary = summarise_quality(quality)
    assert "video_unreadable" in summary
    assert "imu_gap" in summary


def test_a_recording_that_vanished_is_an_error(recordings: pd.DataFrame) -> None:
    rows = [row for row in GOOD if row[0] != "d"]
    with pytest.raises(QualityError, match="'d'"):
        report_quality(recordings, candidate_table(rows, recordings))


def test_too_many_bad_recordings_are_refused(recordings: pd.DataFrame) -> None:
    rows = [row for row in GOOD if row[0] != "e"] + [("e", -1, "imu_constant")]
    quality = report_quality(recordings, candidate_table(rows, recordings))
    with pytest.raises(
        QualityError, match=r"20% of the recordings of d .*datasets\.d\.max_bad_fraction = 0%"
    ):
        check_quality(quality, 0.0, "d")
    two = [row for row in rows if row[0] != "d"] + [("d", -1, "imu_constant")]
    with pytest.raises(
        QualityError, match=r"40% of the recordings of d .*datasets\.d\.max_bad_fraction = 10%"
    ):
        check_quality(report_quality(recordings, candidate_table(two, recordings)), 0.1, "d")
    with pytest.raises(QualityError, match="no clip of d is left in split test"):
        check_quality(quality, 0.2, "d")
    check_quality(report_quality(recordings, candidate_table(GOOD, recordings)), 0.0, "d")


def test_short_segments_are_counted_apart(recordings: pd.DataFrame) -> None:
    short = pd.concat(
        [recordings, recordings.iloc[:1].assign(recording="s", label="turn")], ignore_index=True
    )
    quality = report_quality(short, candidate_table([*GOOD, ("s", -1, "segment_too_short")], short))
    assert "segment_too_short" in summarise_quality(quality)
    check_quality(quality, 0.0, "d")
    quality.loc[quality["recording"] == "s", "reason"] = "imu_empty"
    with pytest.raises(QualityError, match="17% of the recordings"):
        check_quality(quality, 0.0, "d")


def test_class_without_val_clip_is_refused(recordings: pd.DataFrame) -> None:
    rows = [row for row in GOOD if row[0] != "d"] + [("d", -1, "imu_constant")]
    quality = report_quality(recordings, candidate_table(rows, recordings))
    with pytest.raises(QualityError, match="left in split val for label y"):
        check_quality(quality, 0.5, "d")


def test_clips_are_in_the_order_of_the_index(recordings: pd.DataFrame) -> None:
    rows = [*reversed(GOOD), ("a", 2, "no_video"), ("b", 2, "imu_gap")]
    windows = candidate_table(rows, recordings)
    clips = merge_candidates(recordings, windows)
    assert [*zip(clips["recording"], clips["window"], strict=True)] == [
        *(
            ("b", 0),
            ("b", 1),
            ("a", 0),
            ("a", 1),
            ("a", 2),
            ("c", 0),
            ("c", 1),
            ("d", 0),
            ("d", 1),
            ("e", 0),
            ("e", 1),
        )
    ]
    assert clips.loc[~clips["paired"], ["recording", "window"]].to_numpy().tolist() == [["a", 2]]
    assert len(kept_pairs(windows)) == len(pairs_of(clips)) == 10


def test_windows_without_video_are_used_only_if_asked_for(recordings: pd.DataFrame) -> None:
    """A camera that stopped, and a recording whose video cannot be read: the IMU goes on, under the same label."""
    rows = [row for row in GOOD if row[0] != "e"]
    rows += [("a", 2, "no_video"), ("e", -1, "video_unreadable"), ("e", 0, "no_video")]
    windows = candidate_table(rows, recordings)
    used = {}
    for choice in ("paired", "imu"):
        clips = merge_candidates(recordings, windows, choice)  # type: ignore[arg-type]
        used[choice] = len(clips)
        quality = report_quality(recordings, windows, score_windows=choice)  # type: ignore[arg-type]
        lost = quality[quality["reason"] == "no_video"]
        assert set(lost["used_for"]) == ({"scores"} if choice == "imu" else {""})
        kept = quality[(quality["window"] < 0) & (quality["pairs"] > 0)]
        assert set(kept["used_for"]) == {"all"}
        assert quality.loc[quality["recording"] == "e", "used_for"].iloc[0] == ""
    assert (used["paired"], used["imu"]) == (8, 10)


def test_the_most_frequent_loss_comes_first(recordings: pd.DataFrame) -> None:
    lost = [(name, -1, "imu_clock" if name in "abc" else "imu_gap") for name in recordings["recording"]]
    table = candidate_table(lost, recordings)
    table.loc[:, "detail"] = "all samples have one timestamp"
    with pytest.raises(QualityError) as caught:
        check_quality(report_quality(recordings, table), 0.1, "d")
    first = str(caught.value).splitlines()[0]
    assert "100% of the recordings of d yield no clip" in first
    assert "3 of 5 for imu_clock (the timestamps give no sampling rate)" in first
    assert "all samples have one timestamp" in first


def test_measured_clocks_are_columns_of_recordings(recordings: pd.DataFrame) -> None:
    quality = report_quality(
        recordings, candidate_table([*GOOD, ("a", 2, "imu_gap")], recordings), {"a": {"accel_hz": 99.5}}
    )
    assert quality.loc[quality["window"] < 0, "accel_hz"].dropna().tolist() == [99.5]
    assert quality.loc[quality["window"] >= 0, "accel_hz"].isna().all()
    assert quality.columns[-1] == "pairs"


def imu_only(rows: list[tuple[str, int, str]], recordings: pd.DataFrame) -> pd.DataFrame:
    return candidate_table(rows, recordings).assign(n_frames=0)


def test_without_video_windows_are_counted_and_none_is_a_pair(recordings: pd.DataFrame) -> None:
    rows = [*GOOD, ("a", 2, "imu_gap")]
    windows = imu_only([row for row in rows if row[0] != "e"] + [("e", -1, "imu_too_short")], recordings)
    quality = report_quality(recordings, windows)
    whole = quality[quality["window"] < 0].set_index("recording")
    assert "pairs" not in quality
    assert whole["windows"].to_dict() == {"a": 2, "b": 2, "c": 2, "d": 2, "e": 0}
    assert whole.loc["e", "reason"] == "imu_too_short"
    assert quality.loc[quality["window"] >= 0, ["recording", "reason"]].to_numpy().tolist() == [
        ["a", "imu_gap"]
    ]
    clips = merge_candidates(recordings, windows)
    assert len(clips) == 8
    assert not clips["paired"].any()
    assert kept_pairs(windows).empty
    with pytest.raises(QualityError, match="20% of the recordings of d yield no window"):
        check_quality(quality, 0.0, "d")
    with pytest.raises(QualityError, match="no window of d is left in split test"):
        check_quality(quality, 0.2, "d")


def test_without_video_val_may_lack_classes_or_be_missing_but_train_may_not(recordings: pd.DataFrame) -> None:
    for without in (["d"], ["c", "d"]):
        listed = recordings[~recordings["recording"].isin(without)]
        windows = imu_only([row for row in GOOD if row[0] not in without], listed)
        check_quality(report_quality(listed, windows), 0.0, "d")
    lost = imu_only([row for row in GOOD if row[0] != "a"] + [("a", -1, "imu_constant")], recordings)
    with pytest.raises(QualityError, match="left in split train for label y"):
        check_quality(report_quality(recordings, lost), 0.5, "d")


def test_nothing_is_extracted_without_video(tmp_path: Path) -> None:
    settings = DatasetSettings(layout="ego4d", root="x", video=None)
    with pytest.raises(ValueError, match="no video to extract"):
        extract_shard([], tmp_path / "video", tmp_path / "video.parquet", settings, threads=1)
    assert not (tmp_path / "video").exists()


def test_the_written_report_holds_no_formula_and_no_control_character(tmp_path: Path) -> None:
    """The rule's script itself: a spreadsheet opens what it writes."""
    recordings = indexed(("=1+1", "train", "@x"), ("b\x1b[2J", "train", "-1+2"))
    rows = [(name, window, "") for name in recordings["recording"] for window in (-1, 0)]
    write_table(recordings, tmp_path / "recordings.parquet")
    write_table(candidate_table(rows, recordings).assign(detail="\x1b]0;t\x07"), tmp_path / "0.parquet")
    snakemake = SimpleNamespace(
        log=[str(tmp_path / "log")],
        input=SimpleNamespace(
            recordings=tmp_path / "recordings.parquet", shards=[tmp_path / "0.parquet"], imu=[]
        ),
        params=SimpleNamespace(score_windows="paired"),
        output=SimpleNamespace(quality=tmp_path / "quality.csv"),
    )
    script = Path(__file__).parents[3] / "workflow/scripts/report_quality.py"
    runpy.run_path(str(script), {"snakemake": snakemake})
    with (tmp_path / "quality.csv").open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert "'=1+1" in cells
    assert all(cell.isprintable() for cell in cells)
    assert not [cell for cell in cells if cell[:1] in tuple("=+@-") and cell != "-1"]
