"""The FIFO queue against the definition, `Q = [Q; z][B:]`, in the plainest words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from comodo.objectives.queue import EmbeddingQueue, initial_queue_indices


def numbered(first: int, n: int) -> torch.Tensor:
    """`n` recognisable rows (n, 2)."""
    return torch.arange(first, first + n, dtype=torch.float32)[:, None].repeat(1, 2)


@settings(deadline=None)
@given(size=st.integers(1, 12), batches=st.lists(st.integers(0, 30), max_size=12))
def test_push_is_fifo_for_every_batch_size(size: int, batches: list[int]) -> None:
    expected = numbered(0, size)
    queue = EmbeddingQueue(expected)
    seen = size
    for n in batches:
        batch = numbered(seen, n)
        seen += n
        queue.push(batch)
        expected = torch.cat([expected, batch])[n:]
        assert torch.equal(queue.ordered, expected)
        assert len(queue) == size


@settings(deadline=None)
@given(
    size=st.integers(1, 9),
    batches=st.lists(st.integers(1, 11), min_size=1, max_size=6),
    cut=st.integers(0, 6),
)
def test_a_checkpoint_in_the_middle_changes_nothing(size: int, batches: list[int], cut: int) -> None:
    whole, resumed = EmbeddingQueue(numbered(0, size)), EmbeddingQueue(numbered(0, size))
    for i, n in enumerate(batches):
        if i == cut:
            state = {name: value.clone() for name, value in resumed.state_dict().items()}
            resumed = EmbeddingQueue(torch.zeros(size, 2))
            resumed.load_state_dict(state)
        whole.push(numbered(100 * i, n))
        resumed.push(numbered(100 * i, n))
    assert torch.equal(whole.ordered, resumed.ordered)


def test_a_push_moves_only_the_rows_it_replaces() -> None:
    queue = EmbeddingQueue(numbered(0, 10))
    place, before = queue.rows.data_ptr(), queue.rows.clone()
    queue.push(numbered(50, 3))
    assert queue.rows.data_ptr() == place
    assert int((queue.rows != before).all(dim=1).sum()) == 3


def test_the_queue_owns_its_rows() -> None:
    start = numbered(0, 4)
    queue = EmbeddingQueue(start)
    queue.push(numbered(9, 2))
    queue.ordered.zero_()
    assert start[0, 0] == 0
    assert queue.ordered.tolist() == [[2, 2], [3, 3], [9, 9], [10, 10]]


def test_pushed_rows_carry_no_gradient() -> None:
    queue = EmbeddingQueue(numbered(0, 4))
    queue.push(numbered(0, 2).requires_grad_())
    assert not queue.ordered.requires_grad


@pytest.mark.parametrize("initial", [torch.zeros(3), torch.zeros(0, 4)])
def test_refuses_what_is_no_queue(initial: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"\(K, d\)"):
        EmbeddingQueue(initial)


def test_initial_indices_are_the_published_ones(golden: Path) -> None:
    case = json.loads((golden / "queue_selection.json").read_text())
    indices = initial_queue_indices(case["n"], case["queue_size"], case["seed"])
    assert indices.dtype == np.int64
    assert indices.tolist() == case["indices"]
    assert initial_queue_indices(case["n"], case["queue_size"]).tolist() == case["indices"]


def test_initial_indices_leave_the_global_generator_alone() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    initial_queue_indices(50, 10)
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_a_queue_beyond_the_clips_is_refused() -> None:
    with pytest.raises(ValueError, match="queue_size is 65, but there are only 64 train clips"):
        initial_queue_indices(64, 65)
