"""Tables of clips as the workflow makes them, for tests."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from comodo.clips.tables import COLUMNS, merge_clips


def window_table(recordings: Mapping[str, int], **columns: object) -> pd.DataFrame:
    """Make the window table of a shard: so many pairs of 5 s of each recording, one after the other.

    Keywords give columns other values, as `DataFrame.assign` takes them; the dtypes stay.
    """
    rows = [
        {
            "clip": f"{recording}#{window:05d}",
            "recording": recording,
            "split": "train",
            "label": "walk",
            "window": window,
            "start_s": 5.0 * window,
            "end_s": 5.0 * window + 5.0,
            "first_sample": 1000 * window,
            "last_sample": 1000 * window + 1000,
            "first_frame": 50 * window,
            "n_frames": 50,
            "reason": "",
            "detail": "",
        }
        for recording, count in recordings.items()
        for window in range(count)
    ]
    return _with(pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS).assign(shard=0), columns)


def clip_table(recordings: Mapping[str, int], **columns: object) -> pd.DataFrame:
    """Make the clip table of a dataset: so many pairs of each recording; keywords as of `window_table`."""
    windows = window_table(recordings)
    return _with(merge_clips(pd.DataFrame({"recording": list(recordings)}), windows), columns)


def _with(table: pd.DataFrame, columns: Mapping[str, object]) -> pd.DataFrame:
    unknown = columns.keys() - set(table)
    assert not unknown, f"the table has no {', '.join(sorted(unknown))}"
    return table.assign(**columns).astype(table.dtypes)
