"""Baselines on raw IMU, small modules written from their papers: windows (B, C, T) → flat features (B, dim).

Each becomes a student by a class in `comodo.models.baselines.students`, and a classifier by a linear layer on top.
The channels are standardised by the train set's mean and deviation, which a batch norm without weights keeps
(MiniRocket: `fit`): what a window tells by its level, gravity above all, stays, and no unit is taken for granted.
"""

from __future__ import annotations
