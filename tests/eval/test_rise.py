"""The rise of a loss and its interval."""

import numpy as np
import pytest

from eval.rise import rise


def test_the_rise_is_that_of_the_sums() -> None:
    assert rise([110.0, 55.0], [100.0, 50.0])["rise"] == 10.0
    assert rise([3.0], [2.0]) == {"rise": 50.0, "interval": None}
    assert rise([2.0, 4.0], [2.0, 4.0]) == {"rise": 0.0, "interval": [0.0, 0.0]}


def test_documents_are_taken_in_pairs() -> None:
    """Documents differ a hundredfold in difficulty, the forms by 1 %: only a paired interval can tell."""
    generator = np.random.default_rng(1)
    theirs = generator.uniform(10, 1000, 200)
    ours = theirs * generator.normal(1.01, 0.002, 200)
    found = rise(list(ours), list(theirs))
    low, high = found["interval"]
    assert low < found["rise"] < high and low > 0.9 and high < 1.1
    shuffled = rise(list(generator.permutation(ours)), list(theirs))
    assert shuffled["interval"][1] - shuffled["interval"][0] > 20 * (high - low)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    generator = np.random.default_rng(2)
    covered = 0
    for _ in range(100):
        theirs = generator.uniform(50, 150, 40)
        ours = theirs * generator.normal(1.02, 0.02, 40)
        low, high = rise(list(ours), list(theirs))["interval"]
        covered += low < 2.0 < high
    assert covered == pytest.approx(94, abs=6)
