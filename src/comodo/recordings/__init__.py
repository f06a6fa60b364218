"""Recordings: the index, the splits, the small video and the resampled IMU (recordings.smk, splits.smk)."""
