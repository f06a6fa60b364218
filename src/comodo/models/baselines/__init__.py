"""Baselines on raw IMU: small modules, implemented from their papers. Windows (B, C, T) → features (B, dim).

`comodo.models.baselines.students` wraps each one as a student. A linear layer on top makes it a classifier. Channels
are standardised by the mean and deviation of the train set, which a batch norm without weights estimates; MiniRocket
estimates them in `fit`. This keeps the level of a window, above all gravity, and assumes no unit.
"""

from __future__ import annotations
