"""Functions shared by the contract checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from torch import Tensor

from comodo.errors import ComodoError
from comodo.jobs.class_paths import said

T = TypeVar("T")
CLOSE: Final = 1e-4  # tolerance for two embeddings of the same input, relative to the largest value


def require(holds: bool, otherwise: str) -> None:
    """Raise `AssertionError` with the message `otherwise` unless `holds` is true."""
    if not holds:
        raise AssertionError(otherwise)


def attempt(call: Callable[[], T], what: str) -> T:
    """Return the result of a call; convert an exception of user code to an `AssertionError` with its location."""
    try:
        return call()
    except (AssertionError, ComodoError):
        raise
    except Exception as error:
        raise AssertionError(f"{what}: {said(error)}") from error


def refused(call: Callable[[], object], what: str) -> None:
    """Raise `AssertionError` unless a call raises a `ComodoError`."""
    try:
        call()
    except ComodoError:
        return
    except Exception as error:
        raise AssertionError(
            f"{what}: raises {type(error).__name__}, not a ComodoError with a reason"
        ) from error
    raise AssertionError(f"{what}: no error is raised")


def close(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors of the same shape are equal up to rounding."""
    return bool((one - other).abs().max() <= CLOSE * (1 + other.abs().max()))


def class_path_of(kind: type[Any]) -> str:
    """Return the class path of a class; raise `AssertionError` if other processes cannot import it."""
    require(
        kind.__module__ != "__main__" and "." not in kind.__qualname__,
        f"{kind.__qualname__} cannot be imported by another process: define it at the top level of a module",
    )
    return f"{kind.__module__}:{kind.__qualname__}"
