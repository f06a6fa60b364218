"""The index of a dataset: what was asked for, whether it can be read or not."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from comodo.layouts.ids import shard_of
from comodo.layouts.types import Recording


def index_recordings(recordings: Sequence[Recording], shards: int) -> pd.DataFrame:
    """What was asked for: recording, split, label, group, video ("": IMU only), imu, start_s, end_s, shard.

    Opens no media.
    """
    rows = [
        (
            r.id,
            r.split,
            r.label,
            r.group,
            str(r.video or ""),
            str(r.imu),
            r.start_s,
            r.end_s,
            shard_of(r.id, shards),
        )
        for r in recordings
    ]
    columns = ["recording", "split", "label", "group", "video", "imu", "start_s", "end_s", "shard"]
    return pd.DataFrame(rows, columns=columns).astype({"end_s": "float64"})
