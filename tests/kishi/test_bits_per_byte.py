"""Windows score every token exactly once; the unit is bits."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kishi.bits_per_byte import bits_per_byte, windows


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
