"""What counts as a spike of the loss; that nothing is changed by it is shown in test_divergence.py."""

import math

import pytest

from recipes.schema_pretrain import Spike
from train.spikes import find_fault, threshold

QUIET = [3.0 + 0.02 * (-1) ** step for step in range(128)]


def test_a_spike_lies_above_the_median_by_robust_deviations() -> None:
    assert threshold(QUIET, Spike(factor=6.0)) == pytest.approx(3.0 + 6 * 0.03, abs=0.03)  # the floor of one per cent, 0.03, counts
    noisy = [3.0 + 0.1 * (-1) ** step for step in range(128)]
    assert threshold(noisy, Spike(factor=6.0)) == pytest.approx(3.1 + 6 * 1.4826 * 0.1, abs=0.4)


def test_spikes_that_were_let_through_hardly_move_it() -> None:
    spoilt = [*QUIET[:-8], *[50.0] * 8]
    assert threshold(spoilt, Spike()) == pytest.approx(threshold(QUIET, Spike()), rel=0.1)


def test_a_falling_loss_is_no_spike_and_few_losses_do_not_judge() -> None:
    falling = [7 - step / 30 for step in range(128)]
    assert all(find_fault(loss, 1.0, falling[:step], Spike()) is None for step, loss in enumerate(falling))
    assert threshold(QUIET[:63], Spike()) == math.inf and threshold(QUIET[:64], Spike()) < 4
    assert threshold(QUIET, Spike(factor=None)) == math.inf


@pytest.mark.parametrize(
    ("loss", "norm", "words"),
    [
        (math.nan, 1.0, "the loss is nan"),
        (math.inf, 1.0, "the loss is inf"),
        (3.0, math.nan, "the norm of the gradient is nan"),
        (4.0, 1.0, "the loss 4.0000 is a spike, above 3.18"),
    ],
)
def test_faults_in_words(loss: float, norm: float, words: str) -> None:
    assert (find_fault(loss, norm, QUIET, Spike()) or "").startswith(words)
    assert find_fault(3.1, 1.0, QUIET, Spike()) is None
