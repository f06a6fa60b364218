"""Clips and their IMU windows: pairs, reasons against the others, and the tables of both (clips.smk)."""

from comodo.clips.pairing import pair_clips
from comodo.clips.reasons import REASONS
from comodo.clips.tables import COLUMNS
from comodo.clips.windows import EPSILON_S, frame_indices, video_windows

__all__ = ["COLUMNS", "EPSILON_S", "REASONS", "frame_indices", "pair_clips", "video_windows"]
