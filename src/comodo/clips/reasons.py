"""Why a window or a recording is dropped: the fixed list of the quality report."""

from __future__ import annotations

# The fixed list of reasons in the quality report.
REASONS = {
    "": "a pair: window of video with its window of IMU; in an IMU-only dataset a whole window of IMU",
    # windows
    "no_video": "the IMU window is whole, but the video does not cover it (see `evaluation.score_windows`)",
    "video_gap": "the video freezes inside the window: no source frame for long",
    "imu_gap": "a hole in the IMU inside the window",
    "imu_starts_late": "the IMU starts after the window does",
    "imu_ends_early": "the IMU ends before the window does",
    "not_sampled": "a pair (IMU only: a window) that `clips_per_recording` leaves out",
    # recordings: nothing to pair
    "video_too_short": "the video does not fill one window",
    "imu_too_short": "the IMU does not fill one window (IMU-only datasets)",
    "segment_too_short": "a segment (start_s to end_s) is shorter than a window; it does not count as a bad recording",
    "no_overlap": "video and IMU have no time in common: different clocks?",
    # recordings: video
    "video_missing_file": "the video file does not exist",
    "video_empty": "the video file has no bytes",
    "video_unreadable": "the video file cannot be opened, or is no video",
    "video_no_stream": "the file has no video track",
    "video_no_frames": "no frame can be decoded",
    "video_truncated": "the video ends before its declared end; the whole part is used",
    "video_damaged": "parts of the video cannot be decoded; the others are used",
    # recordings: IMU
    "imu_missing_file": "the IMU file does not exist",
    "imu_unreadable": "the IMU file cannot be opened, or holds no IMU",
    "imu_no_stream": "the recording has no IMU stream",
    "imu_empty": "no usable IMU sample",
    "imu_missing_column": "a column is missing from the IMU csv",
    "imu_empty_column": "a column or sensor holds no number",
    "imu_bad_number": "a cell of the IMU csv is no number",
    "imu_constant": "a sensor never changes",
    "imu_clock": "the timestamps give no sampling rate",
    "imu_repeated_column": "a column's name is in the header more than once",
    "imu_extra_cells": "rows have more cells than the header: the columns may be shifted",
    "imu_time_lapse": "a camera's time lapse or TimeWarp: its telemetry holds averages, one per frame",
    "imu_two_devices": "the rows alternate between two devices",
}
