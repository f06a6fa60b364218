"""MiniRocket (Dempster et al. 2021, "MiniRocket: A Very Fast (Almost) Deterministic Transform"), from aeon.

A strong baseline of low cost: about 10,000 fixed convolutions, each with the share of its output above a bias, then a
ridge classifier. Nothing is trained by gradient descent: biases are quantiles of train windows, and ridge regression
has a closed-form solution.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from comodo.errors import ModelError

KERNELS = 84  # all kernels of length 9 with three weights of 2 and six of -1


class MiniRocket(nn.Module):
    """MiniRocket of aeon, with its fitted values in buffers, so that they are saved with the weights.

    Args:
        seq_len: T, samples per window; at least 9.
        n_kernels: number of features, rounded down to a multiple of 84.
        max_dilations_per_kernel: maximum number of dilations of a kernel.
        channels: C, of a window.
    """

    seed: Tensor
    mean: Tensor
    deviation: Tensor
    biases: Tensor
    # aeon's `parameters`, in its order
    _FITTED = (
        "n_channels_per_combination",
        "channel_indices",
        "dilations",
        "n_features_per_dilation",
        "biases",
    )

    def __init__(
        self,
        seq_len: int = 1000,
        n_kernels: int = 10_000,
        max_dilations_per_kernel: int = 32,
        channels: int = 6,
    ) -> None:
        super().__init__()
        if seq_len < 9:
            raise ModelError(f"seq_len is {seq_len}, but the kernels are 9 samples long")
        self.seq_len = seq_len
        self.arguments = {"n_kernels": n_kernels, "max_dilations_per_kernel": max_dilations_per_kernel}
        self.dim = max(n_kernels // KERNELS, 1) * KERNELS
        self.register_buffer("seed", torch.randint(2**31 - 1, ()))  # selects channels and windows
        self.register_buffer("mean", torch.zeros(channels, 1))
        self.register_buffer("deviation", torch.ones(channels, 1))
        for name in self._FITTED:
            kind = torch.float32 if name == "biases" else torch.int32
            self.register_buffer(name, torch.empty(0, dtype=kind))

    def fit(self, windows: NDArray[np.float32]) -> None:
        """Fit dilations and biases to windows (n, C, T), float32.

        Channels are first standardised by the mean and deviation of the windows, because kernels sum over channels.
        """
        rocket = self._aeon(random_state=int(self.seed))
        mean = windows.mean(axis=(0, 2), dtype=np.float64, keepdims=True)[0]
        deviation = windows.std(axis=(0, 2), dtype=np.float64, keepdims=True)[0]
        self.mean = torch.from_numpy(mean).float()
        self.deviation = torch.from_numpy(np.where(deviation > 0, deviation, 1)).float()
        with _numpy_generator_kept():
            rocket.fit(self._standardised(torch.from_numpy(windows)))
        for name, values in zip(self._FITTED, rocket.parameters, strict=True):
            setattr(self, name, torch.from_numpy(values))

    def forward(self, windows: Tensor) -> Tensor:
        """Map windows (B, C, T) → share (B, dim) of each convolution's output above its bias. Runs on the CPU."""
        if not len(self.biases):
            raise ModelError("MiniRocket is not fitted: call `fit` with train windows")
        import numba

        rocket = self._aeon()
        rocket.parameters = tuple(getattr(self, name).cpu().numpy() for name in self._FITTED)
        rocket._n_jobs = min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS)
        # `transform` needs the metadata of `fit`, which a loaded model lacks
        return torch.from_numpy(rocket._transform(self._standardised(windows))).to(windows.device)

    def _standardised(self, windows: Tensor) -> NDArray[np.float32]:
        """Return standardised windows (B, C, T) on the CPU."""
        standardised: NDArray[np.float32] = ((windows.cpu() - self.mean.cpu()) / self.deviation.cpu()).numpy()
        return standardised

    def _aeon(self, random_state: int | None = None) -> Any:
        from aeon.transformations.collection.convolution_based import MiniRocket as AeonMiniRocket

        return AeonMiniRocket(**self.arguments, random_state=random_state)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Resize the buffers before loading, because `fit` determines their sizes."""
        for name in self._FITTED:
            if (stored := state_dict.get(prefix + name)) is not None:
                setattr(self, name, torch.empty_like(stored))
        super()._load_from_state_dict(state_dict, prefix, *rest)
        if len(self.biases):
            self._check_fitted()

    def _check_fitted(self) -> None:
        """Raise `ModelError` if the buffers cannot be from `fit`: aeon's compiled loops do not check them."""
        fitted = {name: getattr(self, name) for name in self._FITTED}
        whole = {name: values for name, values in fitted.items() if name != "biases"}
        if any(values.ndim != 1 or values.dtype != torch.int32 for values in whole.values()):
            raise ModelError("MiniRocket's dilations and channels are not lists of integers")
        each, channels, dilations, features = whole.values()
        sizes = (KERNELS * int(features.sum()), int(each.sum()), len(features), len(each))
        found = (len(self.biases), len(channels), len(dilations), KERNELS * len(dilations))
        longest = 1 + 8 * int(dilations.max()) if len(dilations) else math.inf
        inside = all(
            int(v.min()) >= low for v, low in zip(whole.values(), (1, 0, 1, 1), strict=True) if len(v)
        )
        if (
            sizes != found
            or self.biases.shape != (self.dim,)
            or self.biases.dtype != torch.float32
            or not inside
            or int(channels.max()) >= len(self.mean)
            or longest > self.seq_len
        ):
            raise ModelError(
                "MiniRocket's dilations, channels and biases do not fit each other and the windows"
            )


def ridge_head(features: NDArray[np.float32], labels: NDArray[Any], classes: Sequence[Any]) -> nn.Linear:
    """Fit the usual classifier of MiniRocket, and convert it to one linear layer.

    Features are scaled by their deviation, but not centred, because they are sparse shares. One-versus-rest ridge
    regressions follow, with the penalty of least leave-one-out error among ten.

    Args:
        features: (n, D), of the train windows.
        labels: (n,), classes of the windows, at least two distinct ones.
        classes: classes in the order of the outputs. A class without windows is never predicted.

    Returns:
        A layer (D → C); the predicted class is that of the largest output.

    Raises:
        ModelError: if all labels are of one class, or a label is not in `classes`.
    """
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.preprocessing import StandardScaler

    ids = {label: i for i, label in enumerate(classes)}
    if unknown := set(labels) - set(ids):
        raise ModelError(f"label {str(min(unknown))!r} is not one of the classes")
    targets = np.array([ids[label] for label in labels])
    if len(set(targets)) < 2:
        raise ModelError("the train windows are all of one class: a classifier needs at least two")
    scaler = StandardScaler(with_mean=False).fit(features)
    ridge = RidgeClassifierCV(alphas=np.logspace(-3, 3, 10)).fit(scaler.transform(features), targets)
    coefficients, intercepts = ridge.coef_ / scaler.scale_, ridge.intercept_
    if len(ridge.classes_) == 2:  # a single regression, for the second class
        coefficients, intercepts = np.vstack([-coefficients, coefficients]), np.r_[-intercepts, intercepts]
    head = nn.Linear(features.shape[1], len(classes))
    with torch.no_grad():
        head.weight.zero_()
        head.bias.fill_(torch.finfo(torch.float32).min)
        head.weight[ridge.classes_] = torch.from_numpy(coefficients).float()
        head.bias[ridge.classes_] = torch.from_numpy(intercepts).float()
    return head


@contextmanager
def _numpy_generator_kept() -> Iterator[None]:
    """Restore the state of NumPy's global generator afterwards, because aeon seeds it."""
    state = np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
