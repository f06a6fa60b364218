"""Baselines on raw IMU, small modules written from their papers: windows (B, C, T) → flat features (B, dim).

Each becomes a student by a class in `comodo.models.baselines.students`, and a classifier by a linear layer on top.
The channels are standardised by the train set's mean and deviation, which a batch norm without weights keeps
(MiniRocket: `fit`): the level of a window, gravity above all, is kept, and no unit is assumed.
"""

from __future__ import annotations
