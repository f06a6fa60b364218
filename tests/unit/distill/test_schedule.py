"""Which clips each step sees, and at which learning rate: the published numbers and our own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from comodo.distill.schedule import learning_rate, schedule_steps, shuffled_batches
from tests.support.training import CLIPS, QUEUE, SmallRun, settings


def test_published_schedule(golden: Path) -> None:
    for case in json.loads((golden / "reference_lr_schedule.json").read_text()):
        own = settings(
            schedule="reference",
            queue_size=case["queue_size"],
            epochs=case["epochs"],
            batch_size=case["batch_size"],
        )
        clips = np.arange(case["train_samples"])
        plan = [
            shuffled_batches(clips[case["queue_size"] :] if epoch == 0 else clips, own.batch_size, 0, epoch)
            for epoch in range(own.epochs)
        ]
        total = schedule_steps(plan, own)
        assert total == case["schedule_total_steps"]
        assert int(0.1 * total) == case["warmup_steps"]
        steps = sum(map(len, plan))
        assert steps == case["optimizer_steps"]
        np.testing.assert_allclose(
            [learning_rate(i, total, 3e-4) for i in range(steps)], case["lr"], rtol=1e-12
        )


def test_default_schedule_covers_the_true_steps(undisturbed: SmallRun) -> None:
    rates = [rate for _, _, rate in undisturbed.steps]
    total = 3 + 4 + 4  # 22, 30 and 30 clips in batches of 8
    assert len(rates) == total
    assert rates == [learning_rate(step, total, 3e-4) for step in range(total)]
    assert max(rates) == 3e-4
    assert rates[-1] == pytest.approx(3e-4 / (total - 1))


@pytest.mark.parametrize(
    ("clips", "sizes"), [(16, [8, 8]), (19, [8, 8, 3]), (17, [8, 9]), (9, [9]), (3, [3])]
)
def test_each_clip_is_in_one_batch_and_no_batch_has_one_clip(clips: int, sizes: list[int]) -> None:
    batches = shuffled_batches(np.arange(100, 100 + clips), 8, seed=1, epoch=0)
    assert [len(batch) for batch in batches] == sizes
    assert sorted(np.concatenate(batches)) == list(range(100, 100 + clips))


def test_order_depends_on_seed_and_epoch_only() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return np.concatenate(shuffled_batches(np.arange(40), 8, seed, epoch)).tolist()

    first = order(1, 0)
    torch.manual_seed(123)
    assert order(1, 0) == first
    assert order(1, 1) != first
    assert order(2, 0) != first
    assert first != sorted(first)


def test_queue_clips_are_withheld_from_epoch_0_only() -> None:
    run = SmallRun()
    run.train()
    first, later = run.windows.reads[: CLIPS - QUEUE], run.windows.reads[CLIPS - QUEUE :]
    assert sorted(first) == sorted(set(range(CLIPS)) - set(run.withheld.tolist()))
    assert sorted(later) == sorted(2 * list(range(CLIPS)))
