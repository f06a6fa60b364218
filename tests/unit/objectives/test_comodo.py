"""The COMODO loss against the published numbers and against its definition."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from comodo.objectives.comodo import ComodoLoss
from comodo.objectives.queue import EmbeddingQueue

T = torch.Tensor


def unit(seed: int, n: int, d: int = 5, dtype: torch.dtype = torch.float64) -> T:
    return F.normalize(torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype), dim=1)


def by_definition(queue: T, student: T, teacher: T, tau_t: float = 0.1, tau_s: float = 0.05) -> T:
    keys = torch.cat([queue, teacher])
    p = torch.softmax(teacher @ keys.T / tau_t, dim=1)
    log_q = torch.log_softmax(F.normalize(student, dim=1) @ keys.T / tau_s, dim=1)
    return -(p * log_q).sum() / len(student)


@pytest.mark.parametrize(("tau_t", "tau_s"), [(0.1, 0.05), (0.07, 0.07)])
def test_published_losses_gradients_and_queues(golden: Path, tau_t: float, tau_s: float) -> None:
    numbers = np.load(golden / "comodo_loss.npz")
    key = f"tt{tau_t}_ts{tau_s}"
    loss = ComodoLoss(torch.from_numpy(numbers["queue_init"]), tau_t, tau_s)
    for step in range(6):
        student = torch.from_numpy(numbers["student_raw"][step]).requires_grad_()
        value = loss(student, torch.from_numpy(numbers["teacher"][step]))
        value.backward()
        assert value.item() == pytest.approx(numbers[f"{key}_loss"][step], rel=1e-5)
        np.testing.assert_allclose(student.grad, numbers[f"{key}_grad"][step], atol=1e-6)
        np.testing.assert_array_equal(loss.queue, numbers[f"{key}_queue"][step])


def test_default_temperatures_are_the_published_ones(golden: Path) -> None:
    numbers = np.load(golden / "comodo_loss.npz")
    loss = ComodoLoss(torch.from_numpy(numbers["queue_init"]))
    value = loss(torch.from_numpy(numbers["student_raw"][0]), torch.from_numpy(numbers["teacher"][0]))
    assert value.item() == pytest.approx(numbers["tt0.1_ts0.05_loss"][0], rel=1e-5)


@pytest.mark.parametrize("batch", [1, 3, 7, 8, 19])  # K = 7
def test_definition_for_batches_that_do_not_divide_the_queue(batch: int) -> None:
    queue = unit(0, 7)
    loss = ComodoLoss(queue)
    for step in range(5):
        mine = (3 * unit(10 + step, batch)).requires_grad_()
        plain = mine.detach().clone().requires_grad_()
        teacher = unit(50 + step, batch)
        expected = by_definition(queue, plain, teacher)
        value = loss(mine, teacher)
        value.backward()
        expected.backward()
        queue = torch.cat([queue, teacher])[batch:]
        assert value.item() == pytest.approx(expected.item(), rel=1e-12)
        torch.testing.assert_close(mine.grad, plain.grad)
        torch.testing.assert_close(loss.queue, queue)


def test_gradient_by_finite_differences() -> None:
    queue, teacher = unit(0, 6), unit(1, 4)
    student = (2 * unit(2, 4)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: ComodoLoss(queue, 0.2, 0.3)(x, teacher), (student,))


def test_gradient_scales_with_what_follows() -> None:
    queue, teacher, student = unit(0, 6), unit(1, 4), unit(2, 4)
    once, thrice = student.clone().requires_grad_(), student.clone().requires_grad_()
    ComodoLoss(queue)(once, teacher).backward()
    (3 * ComodoLoss(queue)(thrice, teacher)).backward()
    torch.testing.assert_close(3 * once.grad, thrice.grad)


def test_a_backward_pass_after_the_queue_has_moved_on() -> None:
    queue = unit(0, 6)
    loss = ComodoLoss(queue)
    students = [unit(i, 4).requires_grad_() for i in (1, 2)]
    plain = [student.detach().clone().requires_grad_() for student in students]
    teachers = [unit(i, 4) for i in (3, 4)]
    sum(loss(s, t) for s, t in zip(students, teachers, strict=True)).backward()
    moved = torch.cat([queue, teachers[0]])[4:]
    (by_definition(queue, plain[0], teachers[0]) + by_definition(moved, plain[1], teachers[1])).backward()
    for mine, expected in zip(students, plain, strict=True):
        torch.testing.assert_close(mine.grad, expected.grad)


def test_a_batch_is_absent_now_and_present_next() -> None:
    queue, teacher, student = unit(0, 6), unit(1, 2), unit(2, 2)
    loss = ComodoLoss(queue)
    first = loss(student, teacher)
    assert first.item() == pytest.approx(by_definition(queue, student, teacher).item())
    assert torch.equal(loss.queue, torch.cat([queue[2:], teacher]))


class _NewTensors(TorchDispatchMode):
    """Sizes of all tensors that operations make, views of other tensors apart."""

    def __init__(self, known: T) -> None:
        super().__init__()
        self.known, self.sizes = known.untyped_storage().data_ptr(), [0]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, T) and tensor.untyped_storage().data_ptr() != self.known:
                self.sizes.append(tensor.numel())
        return result


def test_no_step_copies_the_queue() -> None:
    loss = ComodoLoss(unit(0, 1000, 16))
    student, teacher = unit(1, 4, 16).requires_grad_(), unit(2, 4, 16)
    with _NewTensors(loss.memory.rows) as new:
        loss(student, teacher).backward()
    assert max(new.sizes) == 4 * 1004  # similarities; the queue has 1000 × 16 numbers


def test_the_teacher_gets_no_gradient() -> None:
    teacher = unit(1, 4).requires_grad_()
    student = unit(2, 4).requires_grad_()
    loss = ComodoLoss(unit(0, 6))
    loss(student, teacher).backward()
    assert teacher.grad is None
    assert not loss.queue.requires_grad


def test_without_a_gradient_the_value_is_the_same() -> None:
    queue, teacher, student = unit(0, 6), unit(1, 4), unit(2, 4)
    with torch.no_grad():
        value = ComodoLoss(queue)(student, teacher)
    assert value.item() == pytest.approx(by_definition(queue, student, teacher).item())


def test_takes_a_queue_and_keeps_it_in_its_state() -> None:
    loss = ComodoLoss(EmbeddingQueue(unit(0, 6)))
    loss(unit(1, 4), unit(2, 4))
    other = ComodoLoss(torch.zeros(6, 5, dtype=torch.float64))
    other.load_state_dict(loss.state_dict())
    assert torch.equal(other.queue, loss.queue)
    assert torch.equal(other(unit(3, 4), unit(4, 4)), loss(unit(3, 4), unit(4, 4)))


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match=r"student \(3, 5\) and teacher \(4, 5\)"):
        ComodoLoss(unit(0, 6))(unit(1, 3), unit(2, 4))
