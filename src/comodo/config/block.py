"""What all blocks of the config share: types of values, and the base model."""

from __future__ import annotations

import json
import os
import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.fields import FieldInfo

from comodo.jobs.class_paths import CLASS_PATH
from comodo.text import did_you_mean

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
RESERVED_IN_RUNS = {
    "cost.json",
    "export",
    "history.json",
    "predictions",
    "predictions.csv",
    "state",
    "student",
}
Precision = Literal["float32", "bfloat16"]


def _name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+=-]*", value):
        raise ValueError(
            "a name becomes a folder: use letters, digits and _ . + = - only, a letter or digit first"
        )
    if value.casefold() in RESERVED_NAMES:  # some file systems ignore case
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


def _class_path(value: str) -> str:
    if not CLASS_PATH.fullmatch(value):
        raise ValueError("a class path is `package.module:Name`")
    return value


Name = Annotated[str, AfterValidator(_name)]


DatasetName = Annotated[Name, AfterValidator(_dataset_name)]


PathStr = Annotated[str, AfterValidator(_expand)]


class Block(BaseModel):
    """A block of the config: unknown keys are errors, and nothing changes after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def written_keys(cls) -> dict[str, FieldInfo]:
        """Return the fields by the key that a user writes."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}


class ByClass(Block):
    """A block that may name a class of the user's own."""

    new_keys: ClassVar[frozenset[str]] = frozenset({"class_path", "class_kwargs"})
    """Left out of dumps while unset: Snakemake compares params by their text, and a new key would rerun old results."""

    class_path: Annotated[str, AfterValidator(_class_path)] | None = Field(
        None,
        validation_alias=AliasChoices("class", "class_path"),
        alias="class",
        description="class of your own, as `package.module:Name`",
    )
    class_kwargs: Annotated[dict[str, Any], AfterValidator(in_key_order)] = Field(
        default_factory=dict,
        validation_alias=AliasChoices("kwargs", "class_kwargs"),
        alias="kwargs",
        description="arguments of `class`, by name",
    )

    @model_validator(mode="after")
    def _kwargs_of_class(self) -> ByClass:
        if self.class_kwargs and self.class_path is None:
            raise ValueError("`kwargs` are the arguments of `class`: name one")
        try:
            json.dumps(self.class_kwargs, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"kwargs: give numbers, texts, lists and mappings of these: {error}") from None
        return self

    @model_serializer(mode="wrap")
    def _without_new_keys(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        dumped: dict[str, Any] = handler(self)
        fields = type(self).model_fields
        defaults = {key: fields[key].get_default(call_default_factory=True) for key in self.new_keys}  # type: ignore[call-overload]
        unset = {key for key, default in defaults.items() if getattr(self, key) == default}
        return {key: value for key, value in dumped.items() if key not in unset}


def hint(value: str, known: Any) -> str:
    """Name the known key nearest to `value`, else all known keys."""
    return did_you_mean(value, known) or f"; known: {', '.join(sorted(known))}"
