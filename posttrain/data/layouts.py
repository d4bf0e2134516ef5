"""Rows as data sets lay them out, told by their keys, to our own shape: TRL's conversational and preference formats."""

import re
import unicodedata
from typing import Any

from posttrain.data import tool_layouts
from posttrain.data.example import Example
from posttrain.data.languages import CODES

Row = dict[str, Any]
ROLES = {
    "system": "system",
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "bot", "model", "chatbot"), "assistant"),
    **dict.fromkeys(("tool", "function", "observation", "function_response", "tool_response"), "tool"),
}
_CONVERSATION = ("messages", "conversations", "conversation")
_QUESTION = ("instruction", "prompt", "question", "inputs")
_ANSWER = ("output", "completion", "response", "answer", "targets")
_BEFORE_CODE = re.compile(r"^(source|text|sentence)_")
_DIALOGUE = re.compile(r"(?:^|\n\n)(Human|Assistant): ?")  # hh-rlhf


class LayoutError(ValueError):
    """The row is in no layout that is known; the message is the reason."""


def payload_of(row: Row, kind: str) -> Example:
    """The part of an example that its kind is about. Raises LayoutError."""
    if kind == "sft":
        return {"messages": conversation(row)}
    if kind == "preference":
        return pair(row)
    if kind == "tools":
        return tool_layouts.tool_row(row, conversation)
    return {"texts": parallel(row)} if kind == "parallel" else titled(row)


def conversation(row: Row) -> list[Row]:
    """Turns: a list under `messages` or `conversations`, or a question and an answer."""
    for key in _CONVERSATION:
        if isinstance(row.get(key), list):
            return turns(row[key])
    question, answer = _first(row, _QUESTION), _first(row, _ANSWER)
    if question is None or answer is None:
        raise LayoutError(f"no known layout: keys {', '.join(map(str, list(row)[:8]))}")
    system = [{"role": "system", "content": tidy(row["system"])}] if _text(row.get("system")) else []
    return system + asked(row, question) + said(answer, "assistant")


def asked(row: Row, question: Any) -> list[Row]:
    """The user's turn: an instruction with its input below it; a list of turns stays one."""
    more = next((row[key] for key in ("input", "context") if _text(row.get(key))), None)
    return said(f"{question}\n\n{more}" if more and isinstance(question, str) else question, "user")


def said(value: Any, role: str) -> list[Row]:
    """One turn from a text, or the turns that are there."""
    if isinstance(value, dict):
        value = [value]
    return turns(value) if isinstance(value, list) else [{"role": role, "content": tidy(value)}]


def turns(found: list[Any]) -> list[Row]:
    """Role and content (or ShareGPT's `from` and `value`), calls and names of tools; other keys are left out."""
    result: list[Row] = []
    for turn in found:
        if not isinstance(turn, dict):
            raise LayoutError("a turn is not an object")
        name = turn.get("role", turn.get("from"))
        made: Row = {"role": ROLES.get(str(name).lower(), name)}
        content = turn.get("content", turn.get("value"))
        if content is not None or not turn.get("tool_calls"):
            made["content"] = tidy(content)
        # an empty struct of a parquet column is no call
        for key in ("tool_calls", "name", "tool_call_id"):
            if turn.get(key) or (key in turn and turn[key] == []):
                made[key] = turn[key]
        result.append(made)
    return result


def pair(row: Row) -> Example:
    """Prompt, chosen and rejected: texts, lists of turns with or without the prompt in them, or hh-rlhf's dialogues in one text."""
    if "chosen" not in row or "rejected" not in row:
        raise LayoutError(f"no known layout: keys {', '.join(map(str, list(row)[:8]))}")
    chosen, rejected = (said(_dialogue(row[key]), "assistant") for key in ("chosen", "rejected"))
    question = _first(row, (*_QUESTION, *_CONVERSATION))
    if len(chosen) > 1 and len(rejected) > 1:  # the prompt is in both; what is the same at their beginnings is it
        shared = next((n for n, (a, b) in enumerate(zip(chosen, rejected, strict=False)) if a != b), min(len(chosen), len(rejected)) - 1)
        prompt, chosen, rejected = chosen[:shared], chosen[shared:], rejected[shared:]
    else:
        prompt = asked(row, question) if question is not None else []
    more = {key: row[key] for key in ("why", "score_chosen", "score_rejected") if row.get(key) is not None}
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected, **more}


def _dialogue(value: Any) -> Any:
    if not isinstance(value, str) or not value.lstrip().startswith("Human:"):
        return value
    _, *parts = _DIALOGUE.split(value.strip())
    return [{"role": role, "content": text} for role, text in zip(parts[::2], parts[1::2], strict=True)]


def parallel(row: Row) -> dict[str, str]:
    """Language -> text: keys that are languages (kk, kaz_Cyrl, Kazakh, source_kk ...), in the row itself or under `translation`."""
    inside = row["translation"] if isinstance(row.get("translation"), dict) else row
    found = {CODES.get(_BEFORE_CODE.sub("", key.lower())): value for key, value in inside.items()}
    return {code: tidy(value) for code, value in found.items() if code and value is not None}


def titled(row: Row) -> Example:
    """`title` and `text`; of a text alone the first paragraph is the title, as the data stage writes documents that have one."""
    title, text = row.get("title"), row.get("text")
    if title is None and isinstance(text, str):
        title, _, text = text.partition("\n\n")
    title, text = tidy(title), tidy(text)
    if isinstance(title, str) and isinstance(text, str) and text.startswith(f"{title}\n"):
        text = text[len(title) :].strip()
    return {"title": title, "text": text}


def tidy(value: Any) -> Any:
    """A text in composed form (NFC), one kind of line break, no space around it; other values as they are."""
    return unicodedata.normalize("NFC", value.replace("\r\n", "\n")).strip() if isinstance(value, str) else value


def _first(row: Row, keys: tuple[str, ...]) -> Any:
    return next((row[key] for key in keys if row.get(key) is not None), None)


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())
