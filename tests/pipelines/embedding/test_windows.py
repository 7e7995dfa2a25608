from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from arena_preference.pipelines.embedding.windows import cut_middle, cut_windows


@st.composite
def rooms(draw: st.DrawFn) -> tuple[int, int]:
    room = draw(st.integers(1, 40))
    return room, draw(st.integers(0, room - 1))


@given(length=st.integers(0, 300), room_and_overlap=rooms())
def test_windows_cover_every_token_in_order_and_share_the_overlap(
    length: int, room_and_overlap: tuple[int, int]
) -> None:
    room, overlap = room_and_overlap
    tokens = np.arange(length, dtype=np.int32)
    windows = cut_windows(tokens, room, overlap)
    assert all(len(window) == room for window in windows[:-1])
    assert len(windows[-1]) <= room
    np.testing.assert_array_equal(np.concatenate([windows[0], *(window[overlap:] for window in windows[1:])]), tokens)
    for before, after in pairwise(windows):
        np.testing.assert_array_equal(before[len(before) - overlap :], after[:overlap])
        # None of them is there for the overlap alone.
        assert len(after) > overlap


@given(length=st.integers(0, 300), room_and_tail=rooms())
def test_a_text_that_is_cut_keeps_its_start_and_its_end(length: int, room_and_tail: tuple[int, int]) -> None:
    room, tail = room_and_tail
    tokens = np.arange(length, dtype=np.int32)
    kept = cut_middle(tokens, room, tail)
    if length <= room:
        np.testing.assert_array_equal(kept, tokens)
        return
    assert len(kept) == room
    assert kept[: room - tail].tolist() == list(range(room - tail))
    assert kept[room - tail :].tolist() == list(range(length - tail, length))
