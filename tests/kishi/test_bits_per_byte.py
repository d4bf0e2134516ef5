"""Windows score every token exactly once; the unit is bits."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kishi.bits_per_byte import batches, bits_per_byte, padded, windows


@given(st.lists(st.integers(1, 99), max_size=200), st.integers(2, 40))
def test_every_token_is_scored_once_and_in_order(document: list[int], length: int) -> None:
    cut = windows(document, 0, length)
    scored = [token for window in cut for token in window.tokens[len(window.tokens) - window.scored :]]
    assert scored == document
    assert all(1 <= window.scored < len(window.tokens) <= length + 1 for window in cut)


def test_later_windows_have_half_a_window_of_context() -> None:
    cut = windows(list(range(1, 101)), 0, 20)
    assert {len(window.tokens) - window.scored for window in cut[1:]} == {10}


def test_a_coin_flip_a_byte_is_one_bit() -> None:
    assert bits_per_byte(math.log(2) * 10, 10) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="empty"):
        bits_per_byte(1.0, 0)


documents = st.lists(st.lists(st.integers(1, 99), max_size=60), max_size=8)


@given(documents, st.integers(2, 40), st.integers(1, 200))
def test_in_batches_every_token_is_scored_once_and_padding_never(texts: list[list[int]], length: int, budget: int) -> None:
    start, pad, ignore = 100, 101, -100
    cut = [window for text in texts for window in windows(text, start, length)]
    scored: list[int] = []
    for batch in batches(cut, budget):
        inputs, targets = padded(batch, pad, ignore)
        assert len({len(row) for row in (*inputs, *targets)}) == 1
        assert len(batch) == 1 or len(batch) * len(inputs[0]) <= budget
        for window, row, after in zip(batch, inputs, targets, strict=True):
            real = len(window.tokens) - 1
            assert row[:real] == window.tokens[:-1] and set(row[real:]) <= {pad}
            assert all(target in (ignore, window.tokens[place + 1]) for place, target in enumerate(after[:real]))
            assert set(after[real:]) <= {ignore}
            scored += [target for target in after if target != ignore]
    assert sorted(scored) == sorted(token for text in texts for token in text)


def test_a_batch_of_two_lengths() -> None:
    cut = windows([5, 6, 7, 8, 9, 10], 1, 4)
    assert padded(cut, 0, -100) == ([[1, 5, 6, 7], [7, 8, 9, 0]], [[5, 6, 7, 8], [-100, 9, 10, -100]])
