"""Figures of multiple choice: right against scikit-learn, and a constant answer is visible."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from eval.scores import macro_f1, summarise

TRUTH = [0, 1, 2, 3] * 10


def _row(truth: int, guess: int) -> dict[str, object]:
    return {"truth": truth, "loglikelihoods": [0.0 if place == guess else -5.0 for place in range(4)], "characters": [4, 4, 4, 4]}


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40))
def test_macro_f1_is_that_of_scikit_learn_over_the_right_places(pairs: list[tuple[int, int]]) -> None:
    truth, guesses = [list(column) for column in zip(*pairs, strict=True)]
    expected = f1_score(truth, guesses, labels=sorted(set(truth)), average="macro", zero_division=0)
    assert macro_f1(truth, guesses) == pytest.approx(expected)


def test_a_constant_answer_shows() -> None:
    constant = summarise([_row(truth, 2) for truth in TRUTH])
    assert constant["acc"] == 0.25 and constant["most_frequent_guess"] == 1.0
    assert constant["macro_f1"] == pytest.approx(0.1) and constant["macro_f1_interval"][1] < 0.2
    perfect = summarise([_row(truth, truth) for truth in TRUTH])
    assert perfect["macro_f1"] == perfect["acc"] == 1.0 and perfect["most_frequent_guess"] == 0.25


def test_wilson_interval_of_15_in_50() -> None:
    found = summarise([_row(0, 0)] * 15 + [_row(0, 1)] * 35)
    assert found["acc"] == 0.3
    assert found["acc_interval"] == pytest.approx([0.191, 0.4375], abs=1e-4)  # worked out by hand from Wilson's formula


def test_normalised_accuracy_does_not_prefer_short_choices() -> None:
    found = summarise([{"truth": 1, "loglikelihoods": [-4.0, -6.0], "characters": [2, 6]}] * 3)
    assert (found["acc"], found["acc_norm"]) == (0.0, 1.0)
