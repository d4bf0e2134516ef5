"""What the tools stage trains on: made conversations, the recipe's own, and replayed chat; rendered here, token by token.

TRL could render them, but a plain data set merges the objects of all rows into one shape, and the model would learn to write
`"city": null` in every call.
"""

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2.exceptions import TemplateError

from kishi import tool_calls
from kishi.jsonl import Row
from kishi.special_tokens import PAD, TURN_END, TURN_START
from posttrain.chat_data import Example, conversation_fault, load
from posttrain.tool_data.catalogue import catalogue

CONTROL = (PAD, TURN_START, TURN_END, tool_calls.CALL_START, tool_calls.CALL_END, "<tool_response>", "</tool_response>")
ROLES = ("user", "assistant", "tool")


def tool_fault(example: Example) -> str | None:
    """What is wrong with a tool conversation, or None: turns out of order, control tokens in texts, calls against their schemas."""
    messages, tools = example.get("messages"), example.get("tools")
    if not isinstance(messages, list) or not messages or not all(isinstance(message, dict) for message in messages):
        return "no messages"
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        return "tools is not a list of functions"
    turns = messages[1:] if messages[0].get("role") == "system" else messages
    before = None
    for number, message in enumerate(turns, 1):
        if fault := _turn_fault(message, before, tools):
            return f"{fault}: turn {number}"
        before = message
    return None if before and before["role"] == "assistant" else "the last turn is not the assistant's"


def _turn_fault(message: Row, before: Row | None, tools: list[Row]) -> str | None:
    role, content = message.get("role"), message.get("content") or ""
    waiting = bool(before and before.get("tool_calls"))
    allowed = {"user"} if before is None else {"tool"} if waiting else {"assistant"} if before["role"] == "user" else {"assistant", "user"}
    if before and before["role"] == "assistant" and not waiting:
        allowed = {"user"}
    if before and before["role"] == "tool":
        allowed = {"tool", "assistant"}
    if role not in allowed:
        return f"roles out of order, {role} where {' or '.join(sorted(allowed))} should be"
    if not isinstance(content, str) or not (content.strip() or message.get("tool_calls")):
        return "empty turn"
    if token := next((token for token in CONTROL if token in content), None):
        return f"control token in the text, {token}"
    try:
        faults = [tool_calls.schema_fault(call, tools) for call in tool_calls.of_message(message)] if role == "assistant" else []
    except (KeyError, TypeError, ValueError):
        return "a call that cannot be read"
    return next((f"call against its schema, {fault}" for fault in faults if fault), None)


def replayed(path: Path, count: int, with_tools: float, seed: int, quarantine: Path) -> list[Row]:
    """So many SFT conversations, again and again if there are fewer; a share of them is shown tools that it does not need."""
    if not count:
        return []
    chat = load(path, conversation_fault, 0, seed, quarantine).train
    rng, (seen, _) = random.Random(f"{seed} replay"), catalogue()
    rows = []
    for place in range(count):
        shown = rng.sample(list(seen.values()), rng.randint(1, 3)) if rng.random() < with_tools else []
        row = chat[place % len(chat)]
        rows.append({"messages": row["messages"], "tools": [tool.schema(row.get("lang", "en")) for tool in shown]})
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
