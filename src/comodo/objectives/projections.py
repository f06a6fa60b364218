"""Heads that project student and teacher embeddings to the same width."""

from __future__ import annotations

from torch import nn

from comodo.clips.sampling import Indices
from comodo.config.objectives import ProjectionKeys
from comodo.embeddings.store import mapped
from comodo.models.heads import linear_head, new_head, principal_components
from comodo.objectives.lesson import Inputs


def linear_projection(inputs: Inputs) -> dict[str, nn.Module]:
    """Return a linear projection of the student to the teacher's width, as in the published baselines."""
    assert inputs.store is not None
    width = inputs.store["embedding"].shape[1]
    return {"student": linear_head(inputs.dim, width, seed=inputs.seed), "teacher": nn.Identity()}


def projections(inputs: Inputs, rows: Indices, settings: ProjectionKeys) -> dict[str, nn.Module]:
    """Return the heads of teacher and student. The teacher's is a random MLP, principal components or none.

    The teacher's head is never trained.

    Args:
        inputs: the data, with a store.
        rows: (n,) of `train_rows`, to which principal components are fitted.
        settings: projection, student_head, projection_hidden and projection_dim.

    Raises:
        ModelError: if `projection_dim` exceeds the width of the teacher's embeddings.
    """
    assert inputs.store is not None
    width = inputs.store["embedding"].shape[1]
    hidden, out = settings.projection_hidden, settings.projection_dim
    teacher: nn.Module = nn.Identity()
    if settings.projection == "random":
        teacher = new_head(width, hidden, out, seed=inputs.seed, name="teacher")
    elif settings.projection == "pca":
        teacher = principal_components(mapped(inputs.store), rows, out)
    else:
        out = width
    student: nn.Module
    if settings.student_head == "mlp":
        student = new_head(inputs.dim, hidden, out, seed=inputs.seed, name="student")
    else:
        student = linear_head(inputs.dim, out, seed=inputs.seed)
    return {"student": student, "teacher": teacher}
