"""Model folders in and out."""

import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer, set_seed

from kishi.errors import ArtefactError
from kishi.special_tokens import END_OF_TEXT, PAD, TURN_END, ids_in

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")


def load(folder: Path) -> tuple[Any, Any]:
    """(model in fp32, tokenizer). Padding, end of text and end of turn must be three tokens, or a chat model never learns to stop."""
    tokenizer = load_tokenizer(folder)
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), tokenizer


def load_tokenizer(folder: Path) -> Any:
    """With the check of `load`."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = {tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids(TURN_END)}
    special = ids_in(folder)
    if ids != {special[token] for token in (PAD, END_OF_TEXT, TURN_END)}:
        raise ArtefactError(
            f"pad, end-of-text and end-of-turn are {sorted(map(str, ids))}", where=folder, fix="make tokenizer and the stages after it"
        )
    return tokenizer


def load_scorer(folder: Path, seed: int | None = None) -> tuple[Any, Any]:
    """(model that gives a conversation one number, tokenizer), in fp32. From a language model the head is new: random, from `seed`."""
    if seed is not None:
        set_seed(seed)
    tokenizer = load_tokenizer(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1, dtype=torch.float32)
    model.config.pad_token_id = tokenizer.pad_token_id  # the score is read at the last token that is no padding
    return model, tokenizer


def save_scorer(model: Any, source: Path, folder: Path) -> None:
    """Weights and config, tokenizer files byte for byte."""
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    _copy_tokenizer(source, folder)


def save(model: Any, source: Path, folder: Path) -> None:
    """Weights and config, tokenizer files byte for byte, and both stop tokens for generation."""
    shutil.rmtree(folder, ignore_errors=True)
    special = ids_in(source)
    model.generation_config.eos_token_id = [special[TURN_END], special[END_OF_TEXT]]
    model.generation_config.pad_token_id = special[PAD]
    model.save_pretrained(folder)
    _copy_tokenizer(source, folder)


def _copy_tokenizer(source: Path, folder: Path) -> None:
    for name in TOKENIZER_FILES:
        shutil.copyfile(source / name, folder / name)
