"""Greedy answers of a Hugging Face model to questions with tools, many at once: the tools stage and `eval.tool_calls` ask alike."""

from collections.abc import Iterator, Sequence
from typing import Any

from kishi.special_tokens import END_OF_TEXT, PAD, TURN_END
from kishi.tool_scores import Question

_BATCH_TOKENS, _ON_GPU = 32_768, 131_072  # of prompts and answers at once: questions with long lists of tools go in smaller batches


def answers(model: Any, tokenizer: Any, asked: Sequence[Question], most: int) -> list[str]:
    """At most `most` tokens each and never past the model's context, control tokens of calls kept, in the order of the questions.

    A prompt that fills the context gets no answer: "".
    """
    model.eval()
    prompts = [_ids(tokenizer, one) for one in asked]
    context, tokens = model.config.max_position_embeddings, _BATCH_TOKENS if model.device.type == "cpu" else _ON_GPU
    fitting = sorted((place for place in range(len(asked)) if len(prompts[place]) < context), key=lambda place: len(prompts[place]))
    found = [""] * len(asked)
    for batch in _batches(fitting, [len(prompt) + most for prompt in prompts], tokens):
        texts = _answers(model, tokenizer, [prompts[place] for place in batch], most)
        for place, text in zip(batch, texts, strict=True):
            found[place] = text
    return found


def _ids(tokenizer: Any, asked: Question) -> list[int]:
    text = tokenizer.apply_chat_template(asked.messages, tools=asked.tools, add_generation_prompt=True, tokenize=False)
    ids: list[int] = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
    return ids


def _batches(places: Sequence[int], lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """`places`, shortest first, in runs whose padded length is at most `tokens`; one place at least."""
    batch: list[int] = []
    for place in places:
        if batch and (len(batch) + 1) * lengths[place] > tokens:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _answers(model: Any, tokenizer: Any, prompts: Sequence[list[int]], most: int) -> list[str]:
    """Of one batch, filled up on the left."""
    import torch

    stops, pad = tokenizer.convert_tokens_to_ids([TURN_END, END_OF_TEXT]), tokenizer.convert_tokens_to_ids(PAD)
    width, context = max(map(len, prompts)), model.config.max_position_embeddings
    ids = torch.tensor([[pad] * (width - len(prompt)) + prompt for prompt in prompts], device=model.device)
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=model.device)
    with torch.inference_mode():
        out = model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=min(most, context - min(map(len, prompts))),
            do_sample=False, use_cache=True, eos_token_id=stops, pad_token_id=pad,
        )  # fmt: skip
    found = []
    for prompt, new in zip(prompts, out[:, width:].tolist(), strict=True):
        said = new[: context - len(prompt)]
        end = next((place for place, token in enumerate(said) if token in stops), len(said))
        found.append(str(tokenizer.decode(said[:end], skip_special_tokens=False)))
    return found
