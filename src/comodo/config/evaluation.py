"""The block `evaluation`: what every trained student is measured by."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from comodo.config.block import Block


class EvaluationSettings(Block):
    """What every trained student is measured by."""

    labels_per_class: tuple[int | Literal["all"], ...] = Field(
        (1, 5, 10, "all"), description="the label-efficiency curve"
    )
    label_draws: int = Field(5, ge=1, description="seeded draws averaged where labels are few")
    max_train_windows: int = Field(
        10_000, ge=1, description="larger SVM train sets are subsampled, stratified"
    )
    score_windows: Literal["paired", "imu"] = Field(
        "paired",
        description="labelled windows of datasets with video that train and test SVMs and supervised students: "
        "only those that the video covers, or (as published) every window with whole IMU",
    )
