"""Model folders in and out, and whether a model stops by itself."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from kishi.errors import ArtefactError
from kishi.special_tokens import END_OF_TEXT, PAD, SPECIAL_IDS, TURN_END

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")
STOPS = [SPECIAL_IDS[TURN_END], SPECIAL_IDS[END_OF_TEXT]]


def load(folder: Path) -> tuple[Any, Any]:
    """(model in fp32, tokenizer). Padding, end of text and end of turn must be three tokens, or a chat model never learns to stop."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = {tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids(TURN_END)}
    if ids != {SPECIAL_IDS[PAD], *STOPS}:
        raise ArtefactError(
            f"pad, end-of-text and end-of-turn are {sorted(map(str, ids))}", where=folder, fix="make tokenizer and the stages after it"
        )
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), tokenizer


def save(model: Any, source: Path, folder: Path) -> None:
    """Weights and config, tokenizer files byte for byte, and both stop tokens for generation."""
    shutil.rmtree(folder, ignore_errors=True)
    model.generation_config.eos_token_id = STOPS
    model.generation_config.pad_token_id = SPECIAL_IDS[PAD]
    model.save_pretrained(folder)
    for name in TOKENIZER_FILES:
        shutil.copyfile(source / name, folder / name)


@torch.no_grad()
def answer(model: Any, tokenizer: Any, messages: list[dict[str, str]], max_new_tokens: int = 96) -> tuple[str, bool]:
    """(greedy answer, whether it ended by itself)."""
    model.eval()
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True).to(model.device)
    room = max(1, min(max_new_tokens, model.config.max_position_embeddings - ids["input_ids"].shape[1]))
    out = model.generate(**ids, max_new_tokens=room, do_sample=False, eos_token_id=STOPS, pad_token_id=SPECIAL_IDS[PAD])
    new = out[0, ids["input_ids"].shape[1] :].tolist()
    return tokenizer.decode(new, skip_special_tokens=True), bool(new) and new[-1] in STOPS


def stop_rate(model: Any, tokenizer: Any, prompts: Sequence[list[dict[str, str]]]) -> float:
    """Share of prompts after which the model ends its turn by itself."""
    return round(sum(answer(model, tokenizer, prompt)[1] for prompt in prompts) / max(1, len(prompts)), 4)
