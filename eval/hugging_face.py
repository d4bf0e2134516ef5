"""Scores a Hugging Face causal model in fp32."""

from typing import Any

import torch
from torch.nn.functional import cross_entropy

from kishi.bits_per_byte import Window
from kishi.special_tokens import PAD, SPECIAL_IDS

BATCH = 16


@torch.no_grad()
def negative_log_likelihood(model: Any, cut: list[Window]) -> float:
    """Nats over the scored tokens of all windows; short windows are padded on the right, where causal attention cannot look."""
    total = 0.0
    for start in range(0, len(cut), BATCH):
        batch = cut[start : start + BATCH]
        longest = max(len(window.tokens) for window in batch)
        ids = torch.full((len(batch), longest), SPECIAL_IDS[PAD])
        targets = torch.full((len(batch), longest - 1), -100)
        for row, window in enumerate(batch):
            ids[row, : len(window.tokens)] = torch.tensor(window.tokens)
            end = len(window.tokens) - 1
            targets[row, end - window.scored : end] = torch.tensor(window.tokens[-window.scored :])
        logits = model(ids[:, :-1].to(model.device)).logits.float()
        total += float(cross_entropy(logits.flatten(0, 1), targets.flatten().to(logits.device), reduction="sum"))
    return total
