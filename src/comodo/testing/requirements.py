"""What all contract checks share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from torch import Tensor

from comodo.errors import ComodoError
from comodo.jobs.class_paths import said

T = TypeVar("T")
CLOSE: Final = 1e-4  # of two embeddings of one input, relative to the largest number


def require(holds: bool, otherwise: str) -> None:
    """Raise `AssertionError` with the message `otherwise` unless something holds."""
    if not holds:
        raise AssertionError(otherwise)


def attempt(call: Callable[[], T], what: str) -> T:
    """Return what a call returns; an exception of a user's code becomes an `AssertionError` that names its place."""
    try:
        return call()
    except (AssertionError, ComodoError):
        raise
    except Exception as error:
        raise AssertionError(f"{what}: {said(error)}") from error


def refused(call: Callable[[], object], what: str) -> None:
    """Require that a call ends in a `ComodoError`, which says what is wrong with its input."""
    try:
        call()
    except ComodoError:
        return
    except Exception as error:
        raise AssertionError(
            f"{what}: raises {type(error).__name__}, not a ComodoError that says why"
        ) from error
    raise AssertionError(f"{what}: not refused")


def close(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors of one shape are equal but for rounding."""
    return bool((one - other).abs().max() <= CLOSE * (1 + other.abs().max()))


def class_path_of(kind: type[Any]) -> str:
    """Return the class path of a class; raises `AssertionError` for one that no other process can import."""
    require(
        kind.__module__ != "__main__" and "." not in kind.__qualname__,
        f"{kind.__qualname__} cannot be imported by another process: define it at the top level of a module",
    )
    return f"{kind.__module__}:{kind.__qualname__}"
