"""Supervised: a linear classifier on labelled windows; no teacher."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from comodo.clips.sampling import draw_clips, draw_labels
from comodo.config.objectives import SupervisedSettings
from comodo.models.heads import linear_head
from comodo.objectives.lesson import Inputs, Lesson
from comodo.objectives.rankings import Ranking


class Supervised:
    """Cross entropy on every train window, or on `labels_per_class` of each class."""

    def __init__(self, settings: SupervisedSettings) -> None:
        self.settings = settings

    def lesson(self, inputs: Inputs) -> Lesson:
        """Return the labelled train windows and a linear head."""
        train = inputs.split("train")
        classes = sorted(set(train["label"]))
        train = train.iloc[draw_clips(train["recording"].tolist(), self.settings.clips_per_recording)]
        if self.settings.labels_per_class is not None:
            clips, labels = train["clip"].tolist(), train["label"].tolist()
            train = train.iloc[draw_labels(clips, labels, self.settings.labels_per_class, inputs.seed)]
        train = train.reset_index(drop=True)
        return Lesson(
            targets=torch.tensor([classes.index(label) for label in train["label"]]),
            heads={"classifier": linear_head(inputs.dim, len(classes), seed=inputs.seed, name="classifier")},
            trained="classifier",
            loss=nn.CrossEntropyLoss(),
            train=train,
            classes=classes,
            val=inputs.split("val"),
            rankings={"head": Ranking(lambda scores: scores, np.asarray(classes, dtype=object))},
        )
