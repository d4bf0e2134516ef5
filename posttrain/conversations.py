"""Conversations as token ids with labels: only what the assistant says is learnt."""

from collections.abc import Sequence
from itertools import batched, groupby
from typing import Any

from kishi.errors import DataError
from kishi.special_tokens import TURN_END
from posttrain.chat_data import Example
from posttrain.likelihood import IGNORED, Row

_AT_ONCE = 1000  # conversations


def tokenised(tokenizer: Any, examples: Sequence[Example]) -> list[Row]:
    """(ids, labels) of each conversation; `tools`, where it has some, go to the chat template, whose marks say what the assistant says."""
    rows: list[Row] = []
    for tools, alike in groupby(examples, key=lambda example: example.get("tools") or None):
        for part in batched(alike, _AT_ONCE):
            rows += _labelled(tokenizer, [example["messages"] for example in part], tools)
    return rows


def _labelled(tokenizer: Any, conversations: list[Any], tools: Any) -> list[Row]:
    """All with the same tools: the tokenizer then works in as many threads as there are cores."""
    found = tokenizer.apply_chat_template(conversations, tools=tools, return_dict=True, return_assistant_tokens_mask=True)
    pairs = zip(found["input_ids"], found["assistant_masks"], strict=True)
    return [(list(ids), [token if learnt else IGNORED for token, learnt in zip(ids, mask, strict=True)]) for ids, mask in pairs]


def check_labels(rows: Sequence[Row], turn_end: int) -> None:
    """Every turn in the labels must end with the end-of-turn token, or the model never stops. Raises DataError."""
    wrong = total = 0
    for ids, labels in rows:
        learnt = [label != IGNORED for label in labels]
        ends = [i for i in range(len(ids)) if learnt[i] and (i + 1 == len(ids) or not learnt[i + 1])]
        total += max(1, len(ends))
        wrong += sum(ids[i] != turn_end for i in ends) if ends else 1
    if wrong:
        raise DataError(
            f"{wrong} of {total} assistant turns are not closed by {TURN_END} in the labels",
            fix="mend the chat template of the tokenizer, or raise max_length",
        )
