"""How likely a model finds given tokens: one pass over padded batches, the same figures for any batch size save for rounding."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import cross_entropy

BATCH = 8
IGNORED = -100

Row = tuple[list[int], list[int]]  # token ids, and what is to be predicted at each place: the id itself or IGNORED


@torch.no_grad()
def log_likelihoods(model: Any, rows: Sequence[Row], bf16: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """(log-probability in nats, number of tokens) of what is to be predicted in each row; both of shape (rows,).

    `bf16`: with the precision of training on a GPU, so that before and after are measured alike.
    """
    training = model.training
    model.eval()
    nats, counts = torch.zeros(len(rows)), torch.zeros(len(rows))
    by_length = sorted(range(len(rows)), key=lambda place: len(rows[place][0]))
    for start in range(0, len(rows), BATCH):
        places = by_length[start : start + BATCH]
        each, mask = _batch(model, [rows[place] for place in places], bf16)
        nats[places], counts[places] = each.sum(1).float().cpu(), mask.sum(1).float().cpu()
    model.train(training)
    return nats, counts


def _batch(model: Any, rows: list[Row], bf16: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities and mask, (rows, longest - 1)."""
    longest = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in rows], device=model.device)
    labels = torch.tensor([labels + [IGNORED] * (longest - len(labels)) for _, labels in rows], device=model.device)
    given = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in rows], device=model.device)
    with torch.autocast(model.device.type, torch.bfloat16, enabled=bf16):
        logits = model(input_ids=ids, attention_mask=given).logits[:, :-1]
    losses = cross_entropy(logits.float().transpose(1, 2), labels[:, 1:], ignore_index=IGNORED, reduction="none")
    return -losses, labels[:, 1:] != IGNORED
