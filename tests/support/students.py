"""Small students of every family, and where the published tiny ones lie, for tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from comodo.models.base import Student
from comodo.models.students import new_student

MANTIS, MOMENT = "paris-noah-Mantis-tiny", "AutonLab-MOMENT-tiny"  # folders of published checkpoints
T5 = {"d_model": 16, "d_ff": 32, "d_kv": 8, "num_heads": 2, "num_layers": 1, "vocab_size": 8}
FRESH: dict[str, dict[str, Any]] = {
    "mantis": {
        "seq_len": 64, "hidden_dim": 16, "num_patches": 8, "hidden_dim_scalar_enc": 4,
        "transf_depth": 1, "transf_num_heads": 2, "transf_mlp_dim": 16, "transf_dim_head": 8,
    },
    "moment": {"t5_config": {**T5, "feed_forward_proj": "gated-gelu"}},
    "mantis-v2": {
        "hidden_dim": 16, "num_patches": 8, "kernel_size": 5, "hidden_dim_scalar_enc": 4, "transf_depth": 2,
        "transf_num_heads": 2, "transf_mlp_dim": 16, "transf_dim_head": 8,
    },
    "chronos-bolt": {**{k: v for k, v in T5.items() if k != "vocab_size"}, "chronos_config": {"prediction_length": 4}},
    "dlinear": {"seq_len": 64},
    "timesnet": {"seq_len": 64, "d_model": 4, "d_ff": 4, "num_kernels": 2},
    "informer": {"seq_len": 64, "d_model": 8, "n_heads": 2, "d_ff": 8, "e_layers": 2},
    "minirocket": {"seq_len": 64, "n_kernels": 84},
    "cnn": {"seq_len": 64, "width": 4, "blocks": 1, "kernel_size": 3},
}  # fmt: skip
BASELINES = {
    "dlinear": 6 * 64,
    "timesnet": 64 * 4,
    "informer": 32 * 8,
    "minirocket": 84,
    "cnn": 36,
}  # and their widths
BY_CHANNEL = [family for family in FRESH if family not in BASELINES]


def small_student(family: str, seed: int = 3, **common: Any) -> Student:
    """Make a small student of the family, fitted where it has to be."""
    student = new_student(family, FRESH[family], seed, **common)
    student.fit(np.random.default_rng(seed).normal(size=(8, 6, 64)).astype(np.float32))
    return student
