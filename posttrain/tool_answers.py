"""Answers of a Hugging Face model to tool conversations, and what they are worth."""

from collections.abc import Sequence
from typing import Any

import torch

from kishi import tool_scores
from kishi.jsonl import Row
from kishi.special_tokens import PAD
from posttrain.answers import stops

BATCH_TOKENS, ON_GPU = 32_768, 131_072  # of prompts and answers at once: questions with long lists of tools go in smaller batches


def measure(model: Any, tokenizer: Any, rows: Sequence[Row], most: int) -> tuple[dict[str, Any], list[Row]]:
    """(the table of `kishi.tool_scores`, each answer with its verdict). Questions that leave no room for an answer count as wrong."""
    asked = [tool_scores.question(row) for row in rows]
    judged = [tool_scores.judge(one, answer) for one, answer in zip(asked, answers(model, tokenizer, asked, most), strict=True)]
    return tool_scores.table(judged), judged


@torch.no_grad()
def answers(model: Any, tokenizer: Any, asked: Sequence[tool_scores.Question], most: int) -> list[str]:
    """Greedy answers of at most `most` tokens, control tokens of calls kept, in the order of the questions."""
    model.eval()
    prompts = [_ids(tokenizer, one) for one in asked]
    order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
    found = [""] * len(prompts)
    room, tokens = model.config.max_position_embeddings, BATCH_TOKENS if model.device.type == "cpu" else ON_GPU
    while order:
        batch = order[: max(1, tokens // (len(prompts[order[min(len(order), 256) - 1]]) + most))]
        order = order[len(batch) :]
        fitting = [place for place in batch if len(prompts[place]) < room]
        if fitting:
            texts = _batch(model, tokenizer, [prompts[place] for place in fitting], min(most, room - len(prompts[fitting[-1]])))
            for place, text in zip(fitting, texts, strict=True):
                found[place] = text
    return found


def _ids(tokenizer: Any, asked: tool_scores.Question) -> list[int]:
    text = tokenizer.apply_chat_template(asked.messages, tools=asked.tools, add_generation_prompt=True, tokenize=False)
    ids: list[int] = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
    return ids


def _batch(model: Any, tokenizer: Any, prompts: list[list[int]], most: int) -> list[str]:
    pad, longest = tokenizer.convert_tokens_to_ids(PAD), max(map(len, prompts))
    ids = torch.tensor([[pad] * (longest - len(prompt)) + prompt for prompt in prompts], device=model.device)
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=model.device)
    ends = stops(tokenizer)
    out = model.generate(
        input_ids=ids, attention_mask=mask, max_new_tokens=most, do_sample=False, use_cache=True, eos_token_id=ends, pad_token_id=pad
    )
    return [_text(tokenizer, new, ends) for new in out[:, longest:].tolist()]


def _text(tokenizer: Any, ids: list[int], ends: list[int]) -> str:
    end = next((place for place, token in enumerate(ids) if token in ends), len(ids))
    return str(tokenizer.decode(ids[:end], skip_special_tokens=False))
