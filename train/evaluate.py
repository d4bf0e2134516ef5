"""Every n steps: bits per byte of the held-out documents in each language, and a sample in each."""

from pathlib import Path
from typing import Any

import torch
from megatron.core import parallel_state
from megatron.core.datasets.indexed_dataset import IndexedDataset
from torch.nn.functional import cross_entropy

from kishi.bits_per_byte import Window, bits_per_byte, windows
from kishi.special_tokens import END_OF_TEXT, PAD, SPECIAL_IDS

BATCH = 16


@torch.no_grad()
def logits_of(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    """(batch, length) ids -> (batch, length, vocabulary) in fp32; works for tensor parallelism of one."""
    positions = torch.arange(tokens.size(1), device=tokens.device).expand_as(tokens)
    result: torch.Tensor = model(tokens, positions, None)
    return result.float()


def heldout_bits_per_byte(model: Any, index: Path, counts: dict[str, dict[str, int]], length: int) -> dict[str, float]:
    """Per language; data-parallel ranks share the windows and add up."""
    result = {}
    for language, count in counts.items():
        dataset = IndexedDataset(str(index / "heldout" / language))
        cut = [w for n in range(len(dataset)) for w in windows(dataset[n].tolist()[:-1], SPECIAL_IDS[END_OF_TEXT], length)]
        rank, size = parallel_state.get_data_parallel_rank(), parallel_state.get_data_parallel_world_size()
        total = torch.tensor(_negative_log_likelihood(model, cut[rank::size]), dtype=torch.float64)
        if size > 1:
            total = total.to(torch.cuda.current_device())
            torch.distributed.all_reduce(total, group=parallel_state.get_data_parallel_group())
        result[language] = round(bits_per_byte(float(total), count["bytes"]), 5)
    return result


def _negative_log_likelihood(model: Any, cut: list[Window]) -> float:
    """Nats over the scored tokens of all windows."""
    device = next(model.parameters()).device
    total = 0.0
    for start in range(0, len(cut), BATCH):
        batch = cut[start : start + BATCH]
        longest = max(len(window.tokens) for window in batch)
        ids = torch.full((len(batch), longest), SPECIAL_IDS[PAD])
        targets = torch.full((len(batch), longest - 1), -100)
        for row, window in enumerate(batch):
            ids[row, : len(window.tokens)] = torch.tensor(window.tokens)
            first = len(window.tokens) - 1 - window.scored
            targets[row, first : len(window.tokens) - 1] = torch.tensor(window.tokens[-window.scored :])
        logits = logits_of(model, ids[:, :-1].to(device))
        total += float(cross_entropy(logits.flatten(0, 1), targets.flatten().to(device), reduction="sum"))
    return total


def sample(model: Any, prompt: list[int], count: int, length: int) -> list[int]:
    """Greedy continuation, end-of-text stops it."""
    device = next(model.parameters()).device
    ids = [SPECIAL_IDS[END_OF_TEXT], *prompt]
    for _ in range(count):
        window = torch.tensor([ids[-length:]], device=device)
        following = int(logits_of(model, window)[0, -1].argmax())
        if following == SPECIAL_IDS[END_OF_TEXT]:
            break
        ids.append(following)
    return ids[1:]
