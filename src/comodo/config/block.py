"""What all blocks of the config share: types of values, and the base model."""

from __future__ import annotations

import difflib
import os
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

# what lies in results/, beside a folder per dataset
RESERVED_NAMES = {
    "benchmarks",
    "commands",
    "experiments",
    "logs",
    "published",
    "report",
    "teachers",
    "unsupervised_result",
}
# what lies in results/experiments/<experiment>/seed<seed>/, beside a folder per dataset it is evaluated on
RESERVED_IN_RUNS = {"history.json", "state", "student"}
Precision = Literal["float32", "bfloat16"]


def _name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+=-]*", value):
        raise ValueError(
            "a name becomes a folder: use letters, digits and _ . + = - only, a letter or digit first"
        )
    if value.casefold() in RESERVED_NAMES:  # some file systems do not tell cases apart
        raise ValueError(f"{value!r} is a folder of results/ already: take another name")
    return value


def _dataset_name(value: str) -> str:
    if value.casefold() in RESERVED_IN_RUNS:
        raise ValueError(
            f"{value!r} lies in results/experiments/<experiment>/seed<seed>/ already: take another name"
        )
    return value


def _expand(value: str) -> str:
    """Replace `${NAME}` and `${NAME:-default}` by environment variables, and a leading `~`."""

    def variable(match: re.Match[str]) -> str:
        found = os.environ.get(match[1], match[2])
        if found is None:
            raise ValueError(f"the environment variable {match[1]} is not set")
        return found

    return os.path.expanduser(re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", variable, value))


def in_key_order(value: Any) -> Any:
    """Mappings in the order of their keys: a config whose lines were moved about is the same config."""
    return (
        {key: in_key_order(value[key]) for key in sorted(value, key=str)}
        if isinstance(value, dict)
        else value
    )


Name = Annotated[str, AfterValidator(_name)]


DatasetName = Annotated[Name, AfterValidator(_dataset_name)]


PathStr = Annotated[str, AfterValidator(_expand)]


class Block(BaseModel):
    """A block of the config: unknown keys are errors, and nothing changes after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def hint(value: str, known: Any) -> str:
    """Name the known key nearest to `value`, else all known keys."""
    near = difflib.get_close_matches(value, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(sorted(known))}"
