from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from comodo.clips.sampling import CLIPS_SEED, draw_clips, draw_labels


@given(st.permutations([f"r{number // 4}#{number:05d}" for number in range(24)]), st.integers(1, 9))
def test_draw_does_not_depend_on_order(clips: list[str], per_class: int) -> None:
    def label(clip: str) -> str:
        return "abc"[int(clip[-2:]) % 3]

    labels = [label(clip) for clip in clips]
    rows = draw_labels(clips, labels, per_class, seed=0)
    drawn = {clips[row] for row in rows}
    reference = sorted(clips)
    expected = {
        reference[row] for row in draw_labels(reference, [label(c) for c in reference], per_class, seed=0)
    }
    assert drawn == expected
    assert len(drawn) == 3 * min(per_class, 8)


def test_draws_nest_and_differ_by_seed() -> None:
    clips = [f"c{number}" for number in range(60)]
    labels = ["ab"[number % 2] for number in range(60)]
    few, more = (set(draw_labels(clips, labels, count, seed=3)) for count in (2, 10))
    assert few < more
    assert more != set(draw_labels(clips, labels, 10, seed=4))


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=60), st.integers(1, 6))
def test_clips_of_each_recording_are_drawn_as_published(recordings: list[str], keep: int) -> None:
    rows = draw_clips(recordings, keep)
    for recording in set(recordings):
        own = [row for row, name in enumerate(recordings) if name == recording]
        drawn = [own[i] for i in np.random.RandomState(CLIPS_SEED).permutation(len(own))[:keep]]
        assert [row for row in rows if recordings[row] == recording] == sorted(drawn)
    assert rows.tolist() == sorted(rows)


def test_all_clips_are_kept_where_none_is_to_be_drawn() -> None:
    assert draw_clips(["b", "a", "b"], 0).tolist() == [0, 1, 2]
