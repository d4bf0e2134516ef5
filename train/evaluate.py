"""Every n steps: bits per byte of the held-out documents in each language, and a sample in each."""

from pathlib import Path
from typing import Any

import torch
from megatron.core import parallel_state
from megatron.core.datasets.indexed_dataset import IndexedDataset
from torch.nn.functional import cross_entropy

from kishi.bits_per_byte import Window, batches, bits_per_byte, padded, windows

_BATCH_TOKENS = 4096  # logits of one batch: this x vocabulary x 4 bytes
_IGNORE = -100  # cross_entropy's own mark
_FILLING = 0  # any token will do on the right, where causal attention cannot look


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
        documents = (dataset[n].tolist() for n in range(len(dataset)))
        cut = [window for ids in documents for window in windows(ids[:-1], ids[-1], length)]  # each ends with end-of-text
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
    for batch in batches(cut, _BATCH_TOKENS):
        inputs, targets = (torch.tensor(rows, device=device) for rows in padded(batch, _FILLING, _IGNORE))
        logits = logits_of(model, inputs)
        total += float(cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=_IGNORE, reduction="sum"))
    return total


def sample(model: Any, prompt: list[int], count: int, length: int, end_of_text: int) -> list[int]:
    """Greedy continuation, end-of-text stops it."""
    device = next(model.parameters()).device
    ids = [end_of_text, *prompt]
    for _ in range(count):
        window = torch.tensor([ids[-length:]], device=device)
        following = int(logits_of(model, window)[0, -1].argmax())
        if following == end_of_text:
            break
        ids.append(following)
    return ids[1:]
