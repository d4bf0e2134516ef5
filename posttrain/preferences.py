"""How much a model prefers the chosen answers: measured pair by pair on held-out pairs, before and after training."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import log_softmax, logsigmoid


@dataclass(frozen=True)
class Likelihoods:
    """Log-probability in nats of each pair's answers, and their lengths in tokens; all of shape (pairs,)."""

    chosen: torch.Tensor
    rejected: torch.Tensor
    chosen_tokens: torch.Tensor
    rejected_tokens: torch.Tensor


@torch.no_grad()
def likelihoods(trainer: Any) -> Likelihoods:
    """Of the trainer's held-out pairs under the model as it is now."""
    trainer.model.eval()
    parts: list[tuple[torch.Tensor, torch.Tensor]] = []
    for batch in trainer.get_eval_dataloader():  # rows: all chosen answers of the batch, then all rejected ones
        logits = trainer.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1]
        each = log_softmax(logits.float(), -1).gather(-1, batch["input_ids"][:, 1:, None])[..., 0]
        mask = batch["completion_mask"][:, 1:].float()
        parts.append(((each * mask).sum(1).cpu(), mask.sum(1).cpu()))
    sums, lengths = ([torch.cat(halves) for halves in zip(*(part[which].chunk(2) for part in parts), strict=True)] for which in (0, 1))
    return Likelihoods(sums[0], sums[1], lengths[0], lengths[1])


def measure(now: Likelihoods, reference: Likelihoods, beta: float) -> dict[str, float]:
    """DPO's measures (arXiv 2305.18290) and two that need no reference model.

    `loss`, `margin`: mean over pairs of -log sigmoid of the reward margin, and of the margin. `accuracy`: share of pairs whose margin
    is above 0; a tie counts one half, so that the reference itself scores chance. `likelier`: share of pairs whose chosen answer has
    the higher log-probability per token. `chosen_nats_per_token`: how unlikely the chosen answers are.
    """
    margin = beta * ((now.chosen - reference.chosen) - (now.rejected - reference.rejected))
    chosen, rejected = now.chosen / now.chosen_tokens, now.rejected / now.rejected_tokens
    values = {
        "accuracy": ((margin > 0).float() + 0.5 * (margin == 0).float()).mean(),
        "margin": margin.mean(),
        "loss": -logsigmoid(margin).mean(),
        "likelier": (chosen > rejected).float().mean(),
        "chosen_nats_per_token": -now.chosen.sum() / now.chosen_tokens.sum(),
    }
    measured = {name: round(float(value), 6) for name, value in values.items()}
    if not all(math.isfinite(value) for value in measured.values()):
        raise ValueError(f"held-out measures are not finite: {measured}")
    return measured
