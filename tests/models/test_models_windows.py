from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gonerd.encoding import ROUND
from gonerd.errors import GonerdError
from gonerd.models.windows import split_windows


@given(length=st.integers(0, 3000), size=st.integers(1, 300), data=st.data())
def test_every_position_is_answered_exactly_once(length, size, data):
    overlap, special = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, 4))
    windows = split_windows(length, size=size, overlap=overlap, special=special)
    kept = [position for window in windows for position in range(window.keep_start, window.keep_end)]
    assert kept == list(range(length))
    for window in windows:
        assert 0 <= window.start <= window.keep_start <= window.keep_end <= window.end <= length
        assert window.end - window.start <= size
    for left, right in pairwise(windows):
        shared = left.end - right.start
        assert overlap <= shared <= max(overlap + 2 * ROUND, 2 * overlap + 1) if overlap else not shared
    spans = {window.end - window.start for window in windows}
    if overlap:
        (span,) = spans
        assert span in (size, length) or (span + special) % ROUND == 0
    assert max(spans) - min(spans) <= 1
    assert length <= size or (len(windows) - 1) * (size - overlap) < length - overlap  # one fewer would not do


@given(length=st.integers(1, 500), size=st.integers(2, 60), data=st.data())
def test_the_answer_comes_from_the_window_where_a_position_is_farthest_from_a_cut(length, size, data):
    windows = split_windows(length, size=size, overlap=data.draw(st.integers(0, size - 1)))

    def room(window, position):
        left = position - window.start if window.start else length
        right = window.end - 1 - position if window.end < length else length
        return min(left, right)

    for window in windows:
        for position in range(window.keep_start, window.keep_end):
            best = max(room(other, position) for other in windows if other.start <= position < other.end)
            assert room(window, position) >= best - 1  # two may tie across the middle of an odd overlap


def test_a_document_within_the_reach_is_one_window():
    assert len(split_windows(512, size=512, overlap=128)) == 1
    assert len(split_windows(513, size=512, overlap=128)) == 2


@pytest.mark.parametrize(("size", "overlap"), [(10, 10), (0, 0), (10, -1)])
def test_impossible_windows_are_an_error(size, overlap):
    with pytest.raises(GonerdError, match="can not share"):
        split_windows(100, size=size, overlap=overlap)
