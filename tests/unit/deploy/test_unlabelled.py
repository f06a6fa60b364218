"""Predictions for recordings without labels: a row per window, or the reason why there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from comodo.config import DatasetSettings
from comodo.deploy.classifier import load_classifier
from comodo.deploy.predictions import predict
from comodo.deploy.unlabelled import merge_predictions, predict_recordings, predict_shard, read_signals
from comodo.layouts.types import Recording
from comodo.recordings.one_file import read_imu
from tests.support.saved import save_trained, write_csv

CSV = {"time": "t", "accel": ["ax", "ay", "az"], "gyro": ["gx", "gy", "gz"]}


def settings_of(folder: Path) -> DatasetSettings:
    return DatasetSettings.model_validate(
        {
            "layout": "table",
            "root": str(folder),
            "table": str(folder / "t.csv"),
            "imu": {"csv": CSV, "rate_hz": 50},
        }
    )


def test_windows_and_reasons(tmp_path: Path) -> None:
    save_trained(tmp_path / "student")
    write_csv(tmp_path / "a.csv")
    write_csv(tmp_path / "short.csv", seconds=1.0)
    good = Recording("a", "predict", "", None, tmp_path / "a.csv")
    own = [
        good,
        replace(good, id="lost", imu=tmp_path / "no.csv"),
        replace(good, id="short", imu=tmp_path / "short.csv"),
    ]
    settings = settings_of(tmp_path)
    classifier = load_classifier(tmp_path / "student")
    found = predict_recordings(classifier, read_signals("d", settings, own))
    alone = predict(classifier, read_imu(tmp_path / "a.csv", CSV, rate_hz=50))
    windows = found[found["reason"] == ""]
    pd.testing.assert_frame_equal(windows[list(alone)], alone)
    left_out = found[found["reason"] != ""].set_index("recording")
    assert left_out["reason"].to_dict() == {"lost": "imu_missing_file", "short": "imu_too_short"}
    assert left_out[list(alone)].isna().all(axis=None)
    assert found["unknown"].dtype == "boolean"


def test_shards_without_a_window_merge(tmp_path: Path) -> None:
    save_trained(tmp_path / "student")
    write_csv(tmp_path / "a.csv")
    shards = []
    for name in ("no", "a"):
        lost = Recording(f"={name}", "predict", "", None, tmp_path / f"{name}.csv")
        shards.append(tmp_path / f"{name}.parquet")
        predict_shard(tmp_path / "student", "d", settings_of(tmp_path), [lost], shards[-1], threads=1)
    merge_predictions(shards, tmp_path / "predictions.csv")
    table = pd.read_csv(tmp_path / "predictions.csv")
    assert table["recording"].tolist() == ["'=a"] * (len(table) - 1) + ["'=no"]
    assert np.isfinite(table["score"][:-1]).all()
