"""How likely a model finds given tokens: one pass over padded batches, the same figures for any batch size save for rounding."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.nn.functional import cross_entropy

BATCH_TOKENS = 8192  # of one pass: its logits take this x vocabulary x 4 bytes, three times
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
    for places in batches([len(ids) for ids, _ in rows], BATCH_TOKENS):
        each, mask = _batch(model, [rows[place] for place in places], bf16)
        nats[places], counts[places] = each.sum(1).float().cpu(), mask.sum(1).float().cpu()
    model.train(training)
    return nats, counts


def batches(lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Places of rows, the shortest first, in batches that have at most so many tokens when they are padded; one row at least."""
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda place: lengths[place]):
        if batch and (len(batch) + 1) * lengths[place] > tokens:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


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
