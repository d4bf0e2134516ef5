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
from posttrain import likelihood
from posttrain.conversations import tokenised
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


def render(tokenizer: Any, rows: Sequence[Row], limit: int) -> tuple[list[likelihood.Row], dict[str, int]]:
    """(ids and labels of the rows that fit, how many were left out by reason).

    What the assistant writes is learnt, calls and the end of its turn included.
    """
    found: list[likelihood.Row] = []
    left_out = Counter[str]()
    for row in rows:
        try:
            rendered = tokenised(tokenizer, [row])
        except TemplateError:
            left_out["the chat template refuses it"] += 1
            continue
        if len(rendered[0][0]) > limit:
            left_out["too long"] += 1
        else:
            found += rendered
    return found, dict(left_out)
