"""Training objectives, one per file; each maps (student (B, d) raw, teacher (B, d) unit) to a scalar loss."""

from comodo.objectives.comodo import ComodoLoss

__all__ = ["ComodoLoss"]
