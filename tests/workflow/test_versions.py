"""A stage whose output moves gets a new number: else artefacts of older code are taken for those of today's."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from comodo.jobs.versions import VERSIONS
from tests.support.project import Project
from tests.support.samples import Sample, moved
from tests.support.stages import samples, stored

pytestmark = [pytest.mark.workflow, pytest.mark.slow]
ANEW = "then write the samples anew: python -m tests.support.stages"


@pytest.fixture(scope="module")
def found(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sample]:
    return samples(finished, tmp_path_factory.mktemp("fixed"))


@pytest.mark.parametrize("stage", VERSIONS)
def test_an_output_moves_with_its_number_only(stage: str, found: dict[str, Sample]) -> None:
    kept = stored().get(stage)
    assert kept is not None, f"{stage} has no sample; {ANEW}"
    differing = ", ".join(moved(kept, found[stage]))
    now = VERSIONS[stage]
    if differing and kept.version == now:
        pytest.fail(
            f"the output of {stage} moved ({differing}). If that is meant, raise its number in "
            f"src/comodo/jobs/versions.py from {now} to {now + 1}, {ANEW}"
        )
    assert kept.version == now, f"the sample of {stage} is of number {kept.version}, not {now}; {ANEW}"


def test_every_sample_holds_something(found: dict[str, Sample]) -> None:
    assert found.keys() == VERSIONS.keys()
    assert all(sample.texts for sample in found.values())


def test_what_moves_is_named(found: dict[str, Sample], tmp_path: Path) -> None:
    changed = copy.deepcopy(found["preprocess_imu"])
    tolerance, values = changed.arrays["data"]
    changed.arrays["data"] = (tolerance, [value + 2 * tolerance * (1 + abs(value)) for value in values])
    changed.text("valid", [[0, 1]])
    assert moved(found["preprocess_imu"], changed) == ["valid", "data"]
    assert moved(found["preprocess_imu"], found["preprocess_imu"]) == []
