"""Heads that `comodo fit` adds to a student: a logistic regression, or the published SVM, as arrays without pickle."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from comodo.embeddings.ranking import unit
from comodo.errors import ModelError
from comodo.evaluate.svm import SvmModel, fit_svm
from comodo.models.about import Calibration
from comodo.models.checkpoints import check_finite, read_json

FITTED: Final = "fitted.safetensors"
FITTED_ABOUT: Final = "fitted.json"
KINDS: Final = ("logistic", "svm")


class LogisticHead(nn.Module):
    """Logistic regression on features of unit length: (B, dim) → scores (B, C)."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(self, features: Tensor) -> Tensor:
        """Return the scores."""
        return F.linear(F.normalize(features, dim=1), self.weight, self.bias)  # type: ignore[arg-type]


class SvmHead(nn.Module):
    """Published RBF SVM on features of unit length: (B, dim) → one-vs-rest scores (B, C) as scikit-learn ranks them.

    Args:
        arrays: mean and scale (dim,) of the features, support (S, dim), coefficients (C − 1, S), intercept
            (C · (C − 1) / 2,), counts (C,) of support rows per class, and gamma ().
    """

    def __init__(self, arrays: dict[str, Tensor]) -> None:
        super().__init__()
        for name, values in arrays.items():
            self.register_buffer(name, values)
        ends = torch.cumsum(arrays["counts"], 0).tolist()
        self.spans = list(zip([0, *ends[:-1]], ends, strict=True))

    def forward(self, features: Tensor) -> Tensor:
        """Return the scores."""
        held = dict(self.named_buffers())
        scaled = (F.normalize(features.double(), dim=1) - held["mean"]) / held["scale"]
        kernel = torch.exp(-held["gamma"] * torch.cdist(scaled, held["support"]).square())
        classes = len(self.spans)
        votes = kernel.new_zeros(len(kernel), classes)
        confidence = torch.zeros_like(votes)
        pair = 0
        for i in range(classes):
            for j in range(i + 1, classes):
                (a, b), (c, d) = self.spans[i], self.spans[j]
                decision = (
                    kernel[:, a:b] @ held["coefficients"][j - 1, a:b]
                    + kernel[:, c:d] @ held["coefficients"][i, c:d]
                    + held["intercept"][pair]
                )
                votes[:, i] += decision > 0
                votes[:, j] += decision <= 0
                confidence[:, i] += decision
                confidence[:, j] -= decision
                pair += 1
        # scikit-learn breaks ties of votes by the summed decisions, squeezed into (-1/3, 1/3)
        return (votes + confidence / (3 * (confidence.abs() + 1))).to(features.dtype)


def head_of(kind: str, arrays: dict[str, Tensor]) -> nn.Module:
    """Return the head of a kind, one of `KINDS`, with its arrays. Raises `KeyError` if one is missing."""
    return LogisticHead(arrays["weight"], arrays["bias"]) if kind == "logistic" else SvmHead(arrays)


def fit_logistic(features: NDArray[np.float32], labels: NDArray[Any]) -> tuple[dict[str, Tensor], list[str]]:
    """Fit a logistic regression to features of unit length; return its arrays and classes.

    The features are standardised, and the scaling is folded into the weights. C is 1.

    Args:
        features: (N, dim).
        labels: (N,).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    rows = unit(features)
    scaler = StandardScaler().fit(rows)
    model = LogisticRegression(max_iter=2000).fit(scaler.transform(rows), labels)
    weight, bias = model.coef_, model.intercept_
    if len(weight) == 1:  # two classes: one row of weights
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    weight = weight / scaler.scale_
    bias = bias - weight @ scaler.mean_
    arrays = {"weight": torch.from_numpy(weight).float(), "bias": torch.from_numpy(bias).float()}
    return arrays, [str(name) for name in model.classes_]


def fit_support_vectors(
    features: NDArray[np.float32], labels: NDArray[Any]
) -> tuple[dict[str, Tensor], list[str]]:
    """Fit the published SVM (`fit_svm`) to features of unit length; return its arrays and classes."""
    model: SvmModel = fit_svm(unit(features), labels)
    scaled, _ = model._train
    svm = model.svm
    sign = -1.0 if len(svm.classes_) == 2 else 1.0  # libsvm's sign, which scikit-learn turns for two classes
    arrays = {
        "mean": model.scaler.mean_,
        "scale": model.scaler.scale_,
        "support": scaled[svm.support_],
        "coefficients": sign * svm.dual_coef_,
        "intercept": sign * svm.intercept_,
        "counts": svm.n_support_.astype(np.int64),
        "gamma": np.asarray(model.gamma),
    }
    return {name: torch.from_numpy(np.array(values)) for name, values in arrays.items()}, [
        str(name) for name in model.classes
    ]


def save_fitted(
    folder: Path,
    kind: str,
    arrays: dict[str, Tensor],
    classes: Sequence[str],
    calibration: Calibration | None,
) -> None:
    """Write a head to the folder of a student."""
    save_file({name: values.contiguous() for name, values in arrays.items()}, folder / FITTED)
    about = {
        "kind": kind,
        "classes": list(classes),
        "calibration": None if calibration is None else calibration.model_dump(),
    }
    (folder / FITTED_ABOUT).write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n")


def load_fitted(folder: Path) -> tuple[nn.Module, list[str], Calibration | None]:
    """Return the fitted head of a student, its classes and its calibration.

    Raises:
        ModelError: if the files do not fit each other.
    """
    path = folder / FITTED_ABOUT
    if not path.is_file():
        raise ModelError(f"{folder} has {FITTED} but no {FITTED_ABOUT}: copy the complete folder again")
    about = read_json(path, dict)
    kind, classes, calibration = (about.get(key) for key in ("kind", "classes", "calibration"))
    arrays = load_file(folder / FITTED)
    check_finite(arrays.items(), str(folder / FITTED))
    try:
        if kind not in KINDS or not isinstance(classes, list):
            raise ValueError(f"kind {kind!r} is not one of {', '.join(KINDS)}, or classes are missing")
        head = head_of(kind, arrays)
        width = len(arrays["bias"] if kind == "logistic" else arrays["counts"])
        if width != len(classes):
            raise ValueError(f"{len(classes)} classes, but {width} rows of weights")
        found = None if calibration is None else Calibration.model_validate(calibration)
    except (KeyError, ValueError) as error:
        raise ModelError(f"{path} and {FITTED} are not a head of `comodo fit`: {error}") from error
    return head, [str(name) for name in classes], found
