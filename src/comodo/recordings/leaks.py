"""What the test split shares with train and val."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from comodo.config import SPLITS
from comodo.recordings.splits import Row


@dataclass(frozen=True, slots=True)
class Leaks:
    """What test shares with train and val; counts of groups and of test recordings."""

    groups: int  # in test
    groups_in_train: int
    groups_in_val: int
    recordings: int  # in test
    recordings_leaked: int  # of groups that are in train or val too

    def __bool__(self) -> bool:
        return self.recordings_leaked > 0

    def __str__(self) -> str:
        if not self.recordings:
            return "leaks between splits: none, as no recording is listed in test"
        if not self.groups:
            return "leaks between splits: unknown, as no test recording has a group (session, subject)"
        if not self:
            return f"leaks between splits: none of the {self.groups} groups in test is in train or val"
        return (
            f"leaks between splits: of the {self.groups} groups (sessions, subjects) in test, "
            f"{self.groups_in_train} are in train too and {self.groups_in_val} in val, with "
            f"{self.recordings_leaked} of the {self.recordings} test recordings; accuracy on test will flatter. "
            "For splits that share no group: comodo splits --help"
        )


def find_leaks(rows: Iterable[Row]) -> Leaks:
    """Count the test groups that are in train or val too, from (id, split, group) each; group "" is unknown."""
    rows = list(rows)
    groups = {s: {group for _, split, group in rows if split == s and group} for s in SPLITS}
    test = [group for _, split, group in rows if split == "test"]
    return Leaks(
        groups=len(groups["test"]),
        groups_in_train=len(groups["test"] & groups["train"]),
        groups_in_val=len(groups["test"] & groups["val"]),
        recordings=len(test),
        recordings_leaked=sum(group in groups["train"] | groups["val"] for group in test),
    )
