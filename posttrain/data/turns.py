"""What is wrong with the turns of a conversation. Each fault is "reason: detail": reasons are counted, details tell where to look."""

import re
import unicodedata
from collections import Counter
from typing import Any

from kishi.special_tokens import SPECIAL_TOKENS
from kishi.words import shingles, words_of

Turn = dict[str, Any]
ROLES = ("system", "user", "assistant", "tool")
_MOJIBAKE = re.compile(r"(?:[ÐÑÒÓ][\x80-\xbf€-™\u00a0-ÿ]){3}")  # Cyrillic in UTF-8, read as Latin-1 or Windows-1252
_PLACEHOLDER = re.compile(r"<?no ?(out|in)put>?|n/?a|nan|null|none|undefined|todo|\[insert[^\]]*\]|lorem ipsum.*|[.…\-_*?]+", re.I | re.S)
_LOOP_WORDS, _LOOP_RUN, _LOOP_SHARE = 24, 4, 0.5


def messages_fault(messages: Any, tools: bool = False) -> str | None:
    """An optional system turn, then user and assistant in turn, the assistant last; with `tools`, calls and results."""
    if not isinstance(messages, list) or not messages:
        return "no messages"
    return turns_fault(messages, last="assistant", tools=tools)


def pair_fault(row: dict[str, Any]) -> str | None:
    """A preference pair: a prompt that ends with the user, and two different answers, the better one not scored lower."""
    for key, last in (("prompt", "user"), ("chosen", "assistant"), ("rejected", "assistant")):
        turns = row.get(key)
        if not isinstance(turns, list) or not turns:
            return f"no {key}"
        if fault := turns_fault(turns, last=last, first="user" if key == "prompt" else "assistant", check_answers=key != "rejected"):
            reason, colon, detail = fault.partition(":")
            return f"{key}, {reason}{colon}{detail}"
    if _squeezed(row["chosen"]) == _squeezed(row["rejected"]):
        return "chosen and rejected are the same"
    scores = row.get("score_chosen"), row.get("score_rejected")
    if isinstance(scores[0], int | float) and isinstance(scores[1], int | float) and scores[0] <= scores[1]:
        return f"chosen is not scored higher: {scores[0]:g} against {scores[1]:g}"
    return None


def _squeezed(turns: list[Turn]) -> list[str]:
    return [" ".join(turn["content"].split()) for turn in turns]


def turns_fault(turns: list[Any], last: str, first: str = "user", tools: bool = False, check_answers: bool = True) -> str | None:
    """The first fault of a list of turns, or None. `check_answers`: a rejected answer may loop or be a placeholder."""
    for number, turn in enumerate(turns, 1):
        if fault := _turn_fault(turn, tools):
            reason, colon, detail = fault.partition(": ")
            return f"{reason}: turn {number}{', ' if colon else ''}{detail}"
    if fault := _order_fault([turn["role"] for turn in turns], last, first):
        return fault
    return _answers_fault(turns) if check_answers else None


def _turn_fault(turn: Any, tools: bool) -> str | None:
    if not isinstance(turn, dict):
        return "a turn is not an object"
    role, content = turn.get("role"), turn.get("content")
    if role not in ROLES:
        return f"unknown role: {role}"
    if turn.get("tool_calls") is not None:
        if role != "assistant":
            return f"tool call in another's turn: {role}"
        if not tools:
            return "tool call in a conversation without tools"
    if role == "tool" and not tools:
        return "tool result in a conversation without tools"
    if turn.get("tool_calls") and (content is None or content == ""):
        return None
    if not isinstance(content, str):
        return f"content is not text: {type(content).__name__}"
    return text_fault(content)


def text_fault(text: str) -> str | None:
    """Text that no model should see."""
    if not text.strip():
        return "empty turn"
    # the tokenizer would read it as the token itself
    if token := next((token for token in SPECIAL_TOKENS if token in text), None):
        return f"control token in the text: {token}"
    for letter in text:
        if letter == "\ufffd":
            return "broken encoding: U+FFFD"
        if unicodedata.category(letter) == "Cc" and letter not in "\n\t\r":
            return f"control character in the text: U+{ord(letter):04X}"
    return "broken encoding: UTF-8 read as Latin-1" if _MOJIBAKE.search(text) else None


def _order_fault(roles: list[str], last: str, first: str) -> str | None:
    told = ", ".join(roles)
    if "system" in roles[1:]:
        return f"a system turn that is not the first: {told}"
    spoken = roles[1:] if roles[0] == "system" and first == "user" else roles
    if not spoken:
        return "no turn but the system's"
    # results of a call stand between two turns of the assistant; tool_calls.py checks them one by one
    said = [role for place, role in enumerate(spoken) if role != "tool" and not (place and spoken[place - 1] == "tool")]
    expected = ["user", "assistant"] if first == "user" else ["assistant", "user"]
    if any(role != expected[place % 2] for place, role in enumerate(said)):
        return f"roles do not alternate from {first}: {told}"
    return None if spoken[-1] == last else f"the last turn is not the {last}'s: {told}"


def _answers_fault(turns: list[Turn]) -> str | None:
    asked = ""
    for number, turn in enumerate(turns, 1):
        text = (turn.get("content") or "").strip()
        if turn["role"] == "assistant" and text:
            if _PLACEHOLDER.fullmatch(text):
                return f"a placeholder for an answer: turn {number}, {text[:40]}"
            if text == asked:
                return f"the answer repeats the question: turn {number}"
            if text.count("```") % 2:
                return f"a code block is not closed: turn {number}"
            if loops(text):
                return f"the answer repeats itself: turn {number}"
        asked = text
    return None


def loops(text: str) -> bool:
    """Whether most of the text is runs of words that were there before."""
    words = words_of(text)
    runs = Counter(shingles(words, _LOOP_RUN))
    total = sum(runs.values())
    return len(words) >= _LOOP_WORDS and 1 - len(runs) / total > _LOOP_SHARE
