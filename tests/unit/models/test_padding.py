"""Padding of IMU windows to a common length."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from comodo.models.base import pad_left


def test_collation_gives_the_published_numbers(golden: Path) -> None:
    with np.load(golden / "mmea_collate.npz") as numbers:
        windows = [numbers[f"imu{i}"] for i in range(4)]  # Mantis stretches instead
        for count, name in ((3, "moment"), (4, "moment4")):
            batch, mask = pad_left(windows[:count])
            np.testing.assert_array_equal(batch, numbers[f"{name}_imu"])
            np.testing.assert_array_equal(mask, numbers[f"{name}_mask"])
            assert (batch.dtype, mask.dtype) == (np.float32, np.float32)
