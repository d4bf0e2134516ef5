"""What a chat model answers, and whether it ends its turn by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from kishi.special_tokens import END_OF_TEXT, PAD, TURN_END

ANSWER_TOKENS = 128
MOST_PROMPTS = 200  # a stop rate from 200 answers is known to within 7 points (95 %); more only costs time
BATCH, BATCH_ON_GPU = 16, 256  # a step of a GPU takes as long for one answer as for hundreds

Messages = list[dict[str, str]]


@dataclass(frozen=True)
class Answer:
    """Text without special tokens; `stopped` when the last token is the end of the turn; `tokens` before it."""

    text: str
    stopped: bool
    tokens: int


@dataclass(frozen=True)
class Answered:
    """Over many prompts: share of answers that end their turn, and their mean length in tokens."""

    stop_rate: float
    tokens: float


def stops(tokenizer: Any) -> list[int]:
    """Ids that end generation: end-of-turn, and end-of-text."""
    ids: list[int] = tokenizer.convert_tokens_to_ids([TURN_END, END_OF_TEXT])
    return ids


@torch.no_grad()
def answers(model: Any, tokenizer: Any, conversations: Sequence[Messages], most: int = ANSWER_TOKENS) -> list[Answer]:
    """The likeliest (greedy) answer to each conversation, at most `most` tokens, and never past the model's context."""
    model.eval()
    texts = _prompts(tokenizer, conversations)
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))  # little padding
    found: dict[int, Answer] = {}
    for places in _batches(model, order):
        found |= dict(zip(places, _batch(model, tokenizer, [texts[place] for place in places], most), strict=True))
    return [found[place] for place in range(len(texts))]


@torch.no_grad()
def sampled(model: Any, tokenizer: Any, conversations: Sequence[Messages], count: int, temperature: float, seed: int) -> list[list[Answer]]:
    """`count` random answers to each conversation, at most ANSWER_TOKENS long; the same for the same seed and device."""
    model.eval()
    torch.manual_seed(seed)
    repeated = [text for text in _prompts(tokenizer, conversations) for _ in range(count)]
    found: list[Answer] = []
    for part in _batches(model, repeated):
        found += _batch(model, tokenizer, part, ANSWER_TOKENS, do_sample=True, temperature=temperature, top_k=0, top_p=1.0)
    return [found[start : start + count] for start in range(0, len(found), count)]


def _prompts(tokenizer: Any, conversations: Sequence[Messages]) -> list[str]:
    return [tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False) for turns in conversations]


def _batches[Item](model: Any, items: list[Item]) -> list[list[Item]]:
    size = BATCH if model.device.type == "cpu" else BATCH_ON_GPU
    return [items[start : start + size] for start in range(0, len(items), size)]


def _batch(model: Any, tokenizer: Any, texts: list[str], most: int, **how: Any) -> list[Answer]:
    given = tokenizer(texts, add_special_tokens=False, padding=True, padding_side="left", return_tensors="pt").to(model.device)
    out = model.generate(
        input_ids=given["input_ids"], attention_mask=given["attention_mask"], max_new_tokens=most,
        **(how or {"do_sample": False}), eos_token_id=stops(tokenizer), pad_token_id=tokenizer.convert_tokens_to_ids(PAD),
    )  # fmt: skip
    new = out[:, given["input_ids"].shape[1] :].tolist()
    rooms = [max(1, model.config.max_position_embeddings - int(length)) for length in given["attention_mask"].sum(1)]
    return [_read(tokenizer, ids[:room]) for ids, room in zip(new, rooms, strict=True)]


def _read(tokenizer: Any, ids: list[int]) -> Answer:
    ends = stops(tokenizer)
    end = next((place for place, token in enumerate(ids) if token in ends), None)
    stopped = end is not None and ids[end] == ends[0]
    return Answer(tokenizer.decode(ids[:end], skip_special_tokens=True), stopped, len(ids[:end]))


def of_prompts(model: Any, tokenizer: Any, prompts: Sequence[Messages]) -> Answered | None:
    """Of the greedy answers to the first prompts; None without prompts."""
    asked = prompts[:MOST_PROMPTS]
    if not asked:
        return None
    found = answers(model, tokenizer, asked)
    stopped, tokens = sum(answer.stopped for answer in found), sum(answer.tokens for answer in found)
    return Answered(round(stopped / len(asked), 4), round(tokens / len(asked), 2))


def stop_rate(model: Any, tokenizer: Any, prompts: Sequence[Messages]) -> float | None:
    """Share of prompts after which the model ends its turn by itself; None without prompts."""
    found = of_prompts(model, tokenizer, prompts)
    return found.stop_rate if found else None


def samples(model: Any, tokenizer: Any, prompts: dict[Any, str]) -> list[dict[str, Any]]:
    """Rows of `samples.jsonl`: the answer to one prompt in each language."""
    asked: list[Messages] = [[{"role": "user", "content": prompt}] for prompt in prompts.values()]
    rows = zip(prompts.items(), answers(model, tokenizer, asked), strict=True)
    return [{"lang": language, "prompt": prompt, "text": answer.text, "stopped": answer.stopped} for (language, prompt), answer in rows]
