"""What is measured every n steps: bits per byte of held-out documents by tier and language, multiple choice, samples."""

import json
import math
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from megatron.core import parallel_state
from megatron.core.datasets.indexed_dataset import IndexedDataset
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy

from kishi.bits_per_byte import Window, batches, bits_per_byte, padded, windows
from kishi.errors import ArtefactError, KishiError
from kishi.jsonl import Row
from kishi.special_tokens import END_OF_TEXT
from train.multiple_choice import MultipleChoice
from train.parallel_logits import from_logits, gather_weights
from train.plan import Plan

_BATCH_TOKENS = 4096  # logits of one batch: this x vocabulary x 4 bytes
_IGNORE = -100  # cross_entropy's own mark
_FILLING = 0  # any token will do on the right, where causal attention cannot look
FOLDERS = {"clean": "heldout", "dirty": "heldout-dirty"}  # of the index, by tier
KEYS = {"clean": "bits_per_byte", "dirty": "bits_per_byte_dirty"}  # of a row, by tier


@dataclass(frozen=True)
class Documents:
    """Some of the held-out documents of one tier and language; `bytes` of their text."""

    windows: list[Window]
    bytes: int


class Evaluation:
    """Held-out documents and questions, read once."""

    def __init__(self, plan: Plan) -> None:
        pretrain = plan.recipe.pretrain
        self._plan, self._length = plan, pretrain.sequence_length
        self._tokenizer = Tokenizer.from_file(str(plan.folder / ".tokenizer.json"))
        self._documents = load_documents(plan.index, self._tokenizer, self._length, pretrain.heldout_documents)
        self._choices = MultipleChoice(plan.recipe, self._tokenizer)

    def measure(self, model: Any, step: int) -> tuple[Row, list[Row]]:
        """The row of `metrics.jsonl` and those of `samples.jsonl`; all processes must call it. Raises KishiError at what is not finite."""
        gather_weights(model)
        model.eval()
        row: Row = {"step": step, "phase": self._plan.phase}
        for tier, languages in self._documents.items():
            row[KEYS[tier]] = {language: _bits(model, documents) for language, documents in languages.items()}
        _check_finite(row, self._plan)
        if self._choices.asked:
            row["multiple_choice"] = self._choices.figures(lambda cut: negative_log_likelihoods(model, cut))
        samples = [self._sample(model, step, language, prompt) for language, prompt in self._plan.recipe.pretrain.sample_prompts.items()]
        model.train()
        return {**row, "peak_memory_bytes": peak_memory()}, samples

    def _sample(self, model: Any, step: int, language: str, prompt: str) -> Row:
        ids = self._tokenizer.encode(prompt, add_special_tokens=False).ids
        end = self._tokenizer.token_to_id(END_OF_TEXT)
        written = sample(model, ids, self._plan.recipe.pretrain.sample_tokens, self._length, end)
        return {"step": step, "lang": language, "prompt": prompt, "text": self._tokenizer.decode(written, skip_special_tokens=False)}


def load_documents(index: Path, tokenizer: Tokenizer, length: int, limit: int) -> dict[str, dict[str, Documents]]:
    """By tier and language: at most `limit` documents, spread evenly, since those of one source stand together."""
    counts = json.loads((index / "heldout.json").read_bytes())
    if not counts.keys() <= KEYS.keys():
        raise ArtefactError(
            "was made before the tiers were held out apart", where=index, fix="delete it and the data stage's, and run both again"
        )
    return {
        tier: {language: _load(index / FOLDERS[tier] / language, tokenizer, length, limit) for language in counts[tier]}
        for tier in KEYS
        if tier in counts
    }


def _load(prefix: Path, tokenizer: Tokenizer, length: int, limit: int) -> Documents:
    dataset = IndexedDataset(str(prefix))
    count = min(limit, len(dataset))
    closed = [dataset[number * len(dataset) // count].tolist() for number in range(count)]  # each ends with end-of-text
    documents = [ids[:-1] for ids in closed]
    texts = tokenizer.decode_batch(documents, skip_special_tokens=False)  # exact: byte-level BPE
    cut = [window for ids in closed for window in windows(ids[:-1], ids[-1], length)]
    return Documents(cut, sum(len(text.encode("utf-8")) for text in texts))


def _bits(model: Any, documents: Documents) -> float:
    return round(bits_per_byte(sum(negative_log_likelihoods(model, documents.windows)), documents.bytes), 5)


def _check_finite(row: Row, plan: Plan) -> None:
    if not all(math.isfinite(value) for key in KEYS.values() for value in row.get(key, {}).values()):
        raise KishiError(
            f"the held-out bits per byte are not finite at step {row['step']}: training diverged",
            where=plan.folder / "metrics.jsonl",
            fix="lower pretrain.learning_rate, or lengthen pretrain.warmup_steps",
        )


def negative_log_likelihoods(model: Any, cut: Sequence[Window]) -> list[float]:
    """Nats over the scored tokens of each window; data-parallel processes share the windows and all get the whole list."""
    device = next(model.parameters()).device
    rank, size = parallel_state.get_data_parallel_rank(), parallel_state.get_data_parallel_world_size()
    places = {id(window): place for place, window in enumerate(cut)}
    found = torch.zeros(len(cut), dtype=torch.float64, device=device)
    for batch in batches(cut[rank::size], _BATCH_TOKENS):
        inputs, targets = (torch.tensor(rows, device=device) for rows in padded(batch, _FILLING, _IGNORE))
        losses = from_logits(model, inputs, partial(_losses, targets=targets)).to(device)
        found[[places[id(window)] for window in batch]] = losses.view_as(targets).double().sum(1)
    if size > 1:
        torch.distributed.all_reduce(found, group=parallel_state.get_data_parallel_group())
    result: list[float] = found.tolist()
    return result


def _losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=_IGNORE, reduction="none")


def sample(model: Any, prompt: list[int], count: int, length: int, end_of_text: int) -> list[int]:
    """Greedy continuation, end-of-text stops it."""
    device = next(model.parameters()).device
    ids = [end_of_text, *prompt]
    for _ in range(count):
        window = torch.tensor([ids[-length:]], device=device)
        following = int(from_logits(model, window, lambda logits: logits[0, -1].argmax()))
        if following == end_of_text:
            break
        ids.append(following)
    return ids[1:]


def peak_memory() -> int:
    """Bytes that this process held at most: on its GPU, or of RAM."""
    on_gpu = int(torch.cuda.max_memory_allocated())
    return on_gpu or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
