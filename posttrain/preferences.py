"""How much a model prefers the chosen answers: measured pair by pair on held-out pairs, before and after training."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import logsigmoid

from posttrain.length_bias import length_bias, wins
from posttrain.likelihood import log_likelihoods
from posttrain.pairs import Tokenised


@dataclass(frozen=True)
class Likelihoods:
    """Log-probability in nats of each pair's answers, and their lengths in tokens; all of shape (pairs,)."""

    chosen: torch.Tensor
    rejected: torch.Tensor
    chosen_tokens: torch.Tensor
    rejected_tokens: torch.Tensor

    def nowhere(self) -> "Likelihoods":
        """The reference of a training that has none: all answers are equally likely."""
        return Likelihoods(self.chosen * 0, self.rejected * 0, self.chosen_tokens, self.rejected_tokens)


def likelihoods(model: Any, pairs: Tokenised, bf16: bool) -> Likelihoods:
    """Of the pairs under the model as it is now."""
    (chosen, chosen_tokens), (rejected, rejected_tokens) = (log_likelihoods(model, side, bf16) for side in (pairs.chosen, pairs.rejected))
    return Likelihoods(chosen, rejected, chosen_tokens, rejected_tokens)


def margins(now: Likelihoods, reference: Likelihoods, beta: float) -> torch.Tensor:
    """How much more the model favours the chosen answer than the reference does (arXiv 2305.18290)."""
    return beta * ((now.chosen - reference.chosen) - (now.rejected - reference.rejected))


def measure(now: Likelihoods, reference: Likelihoods, beta: float) -> dict[str, Any]:
    """DPO's measures (arXiv 2305.18290), two that need no reference model, and the part that length has in them.

    `loss`, `margin`: mean over pairs of -log sigmoid of the reward margin, and of the margin. `accuracy`: share of pairs whose margin
    is above 0; a tie counts one half, so that the reference itself scores chance. `likelier`: share of pairs whose chosen answer has
    the higher log-probability per token. `chosen_nats_per_token`: how unlikely the chosen answers are.
    """
    margin = margins(now, reference, beta)
    chosen, rejected = now.chosen / now.chosen_tokens, now.rejected / now.rejected_tokens
    values = {
        "accuracy": wins(margin).mean(),
        "margin": margin.mean(),
        "loss": -logsigmoid(margin).mean(),
        "likelier": (chosen > rejected).float().mean(),
        "chosen_nats_per_token": -now.chosen.sum() / now.chosen_tokens.sum(),
    }
    measured = {name: round(float(value), 6) for name, value in values.items()}
    if not all(math.isfinite(value) for value in measured.values()):
        raise ValueError(f"held-out measures are not finite: {measured}")
    return {**measured, "length": length_bias(margin, now.chosen_tokens, now.rejected_tokens)}
