"""What the tools stage trains on: tool conversations and replayed chat, rendered here, token by token.

TRL could render them, but a plain data set merges the objects of all rows into one shape, and the model would learn to write
`"city": null` in every call.
"""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

from jinja2.exceptions import TemplateError

from kishi.jsonl import Row
from kishi.languages import LANGUAGES, Language
from posttrain.tool_data.catalogue import catalogue


def replayed(chat: Sequence[Row], count: int, with_tools: float, seed: int) -> list[Row]:
    """So many SFT conversations, again and again if there are fewer; a share of them is shown tools that it does not need."""
    rng, (seen, _) = random.Random(f"{seed} replay"), catalogue()
    rows = []
    for place in range(count if chat else 0):
        shown = rng.sample(list(seen.values()), rng.randint(1, 3)) if rng.random() < with_tools else []
        row = chat[place % len(chat)]
        language: Language = row["lang"] if row["lang"] in LANGUAGES else "en"
        rows.append({"messages": row["messages"], "tools": [tool.described(language) for tool in shown]})
    return rows


def render(tokenizer: Any, rows: Sequence[Row], limit: int) -> tuple[list[Row], dict[str, int]]:
    """(`input_ids` and `assistant_masks` of the rows that fit, how many were left out by reason).

    The mask is 1 on what the assistant writes, calls and the end of its turn included.
    """
    found, left_out = [], Counter[str]()
    for row in rows:
        try:
            out = tokenizer.apply_chat_template(
                row["messages"], tools=row["tools"] or None, return_dict=True, return_assistant_tokens_mask=True
            )
        except TemplateError:
            left_out["the chat template refuses it"] += 1
            continue
        if len(out["input_ids"]) > limit:
            left_out["too long"] += 1
        else:
            found.append({"input_ids": out["input_ids"], "assistant_masks": out["assistant_masks"]})
    return found, dict(left_out)
