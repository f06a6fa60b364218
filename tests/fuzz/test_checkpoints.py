"""Students: the JSON files of saved ones with branches and bytes changed, and SHA256SUMS written again to match."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from comodo.errors import DamageError, ModelError
from comodo.models.distilled import load_distilled, save_distilled
from comodo.models.heads import linear_head, new_head
from comodo.storage.artefacts import write_sums
from tests.fuzz.conftest import Fuzz
from tests.fuzz.inputs import any_json, regrown
from tests.support.students import FRESH, small_student

pytestmark = [pytest.mark.fuzz, pytest.mark.filterwarnings("ignore")]

NUMBERS = st.sampled_from(
    [0, -1, 1, 2, 7, 1 << 12, 1 << 20, 1 << 33, 1.5, 1e300, True, "64", None, "mean", [], {}]
)


@st.composite
def retuned(draw: st.DrawFn, config: dict[str, Any]) -> bytes:
    """A config with one or two of its values replaced by odd ones, at any depth."""
    made = json.loads(json.dumps(config))
    for _ in range(draw(st.integers(1, 2))):
        block = made
        while block:
            key = draw(st.sampled_from(sorted(block)))
            if not isinstance(block[key], dict):
                block[key] = draw(NUMBERS)
                break
            block = block[key]
    return json.dumps(made).encode()


@pytest.mark.parametrize("family", FRESH)
def test_any_config_gives_a_student_or_the_documented_error(family: str, fuzz: Fuzz, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    student = small_student(family)
    heads = {
        "student": new_head(student.dim, 4, 3, seed=0, name="x"),
        "classifier": linear_head(student.dim, 2, seed=0),
    }
    save_distilled(folder, student, heads, ["a", "b"], objective="supervised")
    files = ["config.json", "comodo.json", "classes.json"]
    sound = {name: (folder / name).read_bytes() for name in files}
    trees = {name: json.loads(content) for name, content in sound.items()}

    def read(data: tuple[str, bytes], _: Path) -> None:
        name, content = data
        for other in files:
            (folder / other).write_bytes(content if other == name else sound[other])
        write_sums(folder)
        try:
            loaded = load_distilled(folder, "cpu")
        except (ModelError, DamageError) as error:
            assert str(folder) in str(error)  # noqa: PT017
            assert "\n" not in str(error)  # noqa: PT017
            return
        assert loaded.student.channels >= 1

    config = retuned(trees["config.json"])
    strategy = st.one_of(
        st.tuples(st.just("config.json"), config),
        st.tuples(
            st.just("config.json"),
            config | regrown(trees["config.json"]).map(lambda t: json.dumps(t).encode()),
        ),
        *(st.tuples(st.just(name), any_json(tree)) for name, tree in trees.items()),
    )
    found = [(name, content) for name in files for content in (b"[]", b"5", b"[" * 100_000, b"\xff")]
    fuzz(f"student ({family})", strategy, read, found)
