"""Preference pairs: as token ids, as TRL's data sets, and how long their answers are."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from posttrain.chat_data import Example
from posttrain.likelihood import IGNORED, Row

SIDES = ("chosen", "rejected")


@dataclass(frozen=True)
class Tokenised:
    """Each pair's prompt with either answer; only the answers are to be predicted."""

    chosen: list[Row]
    rejected: list[Row]

    def tokens(self, side: str) -> torch.Tensor:
        """Length of each answer in tokens, the end of its turn included; shape (pairs,)."""
        return torch.tensor([float(sum(label != IGNORED for label in labels)) for _, labels in getattr(self, side)])


def tokenised(tokenizer: Any, pairs: Sequence[Example]) -> Tokenised:
    """The prompt ends with the header of the answer's turn, as in generation."""
    sides = ([_row(tokenizer, pair["prompt"], pair[side]) for pair in pairs] for side in SIDES)
    return Tokenised(*sides)


def _row(tokenizer: Any, prompt: list[Any], answer: list[Any]) -> Row:
    given = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_dict=True)["input_ids"]
    ids = list(tokenizer.apply_chat_template(prompt + answer, return_dict=True)["input_ids"])
    return ids, [IGNORED] * len(given) + ids[len(given) :]


def paired(pairs: Sequence[Example]) -> Any:
    """As a data set for DPO and reward models."""
    from datasets import Dataset

    return Dataset.from_list([{key: pair[key] for key in ("prompt", *SIDES)} for pair in pairs])


def unpaired(pairs: Sequence[Example], rows: int, seed: int) -> Any:
    """As a data set for KTO: each answer with whether it is the good one, in a random order that the trainer keeps.

    It is filled up with its own beginning to a multiple of `rows`, so that each step has so many on any number of processes.
    """
    from datasets import Dataset

    found = [{"prompt": pair["prompt"], "completion": pair[side], "label": side == "chosen"} for pair in pairs for side in SIDES]
    random.Random(seed).shuffle(found)
    return Dataset.from_list([found[place % len(found)] for place in range(-(-len(found) // rows) * rows)])
