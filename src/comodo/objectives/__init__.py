"""Objectives, one file each: callables of (student (B, d) raw, teacher (B, d)) → scalar loss."""

from comodo.objectives.comodo import ComodoLoss
from comodo.objectives.infonce import InfoNCELoss
from comodo.objectives.l2 import L2Loss

__all__ = ["ComodoLoss", "InfoNCELoss", "L2Loss"]
