"""Scores a model's answers to tool conversations: what was to be done, whether it was, and shares per kind, language and split."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kishi import tool_calls
from kishi.jsonl import Row

CALLS = ("simple", "multiple", "parallel")
NO_CALL = ("no_call", "irrelevance", "live_irrelevance")


@dataclass(frozen=True)
class Question:
    """One row to answer: `messages` up to the answer; `calls` is None where words are expected."""

    id: str
    lang: str
    kind: str
    split: str
    tools: list[Row]
    messages: list[Row]
    calls: tuple[tool_calls.Call, ...] | None
    accepted: tuple[Row, ...] = ()
    mentions: tuple[str, ...] = ()


def question(row: Row) -> Question:
    """From a row of tool data. The last assistant's turn is what is expected; a row that ends with the user expects no call.

    Its kind is `task`, or the beginning of the id (`live_simple_12` -> live_simple); `split` names a part that is counted by itself.
    `accepted`: other right values per expected call; `mentions`: what an answer in words must name.
    Raises ValueError when it has no messages or no tools.
    """
    messages, tools = row.get("messages"), row.get("tools")
    if not messages or not tools:
        raise ValueError("no messages or no tools")
    last = messages[-1]
    made = tool_calls.of_message(last) if last["role"] == "assistant" else ()
    kind = row.get("task") or re.split(r"_\d", str(row.get("id", "simple")))[0]
    return Question(
        id=str(row.get("id", "")),
        lang=str(row.get("lang", "")),
        kind=kind,
        split=str(row.get("split", "all")),
        tools=list(tools),
        messages=list(messages[:-1] if last["role"] == "assistant" else messages),
        calls=made or None,
        accepted=tuple(row.get("accepted") or ()),
        mentions=tuple(row.get("mentions") or ()),
    )


def judge(asked: Question, answer: str) -> Row:
    """A row of the record: the answer, whether it is `right`, `malformed` (a call that cannot be read), `invalid` (against its schema).

    Right: the expected calls and no others; where words are expected, no call and some words, which must ask something if an argument is
    missing and name what the tool gave back if it did.
    """
    found = tool_calls.parse(answer)
    faults = [fault for call in found.calls if (fault := tool_calls.schema_fault(call, asked.tools))]
    about = {"id": asked.id, "lang": asked.lang, "kind": asked.kind, "split": asked.split, "answer": answer}
    return {
        **about,
        "right": not found.malformed and _right(asked, found),
        "called": bool(found.calls or found.malformed),
        "malformed": list(found.malformed),
        "invalid": faults,
    }


def _right(asked: Question, found: tool_calls.Parsed) -> bool:
    if asked.calls is not None:
        return tool_calls.same_calls(found.calls, asked.calls, asked.tools, asked.accepted)
    if found.calls or not found.words:
        return False
    if asked.kind == "missing_argument":
        return "?" in found.words
    return all(mention.casefold() in found.words.casefold() for mention in asked.mentions)


def table(judged: Sequence[Row]) -> dict[str, Any]:
    """Shares over all rows, and in each split over all its rows, each language and each kind.

    `ast`: the share of right answers where calls are expected (simple, multiple, parallel); `irrelevance`: where no tool fits.
    """
    return {
        "n": len(judged),
        "malformed": _share(judged, lambda row: bool(row["malformed"])),
        "invalid": _share(judged, lambda row: bool(row["invalid"])),
        "splits": {split: _split(rows) for split, rows in by(judged, "split").items()},
    }


def _split(rows: Sequence[Row]) -> dict[str, Any]:
    kinds = {kind: {"n": len(some), "right": _share(some, _is_right)} for kind, some in by(rows, "kind").items()}
    return {**_group(rows), "languages": {lang: _group(some) for lang, some in by(rows, "lang").items()}, "kinds": kinds}


def _group(rows: Sequence[Row]) -> dict[str, Any]:
    called = [row for row in rows if _is_call_kind(row["kind"])]
    alone = [row for row in rows if row["kind"] in NO_CALL]
    asked = [row for row in rows if row["kind"] == "missing_argument"]
    return {
        "n": len(rows),
        "right": _share(rows, _is_right),
        "ast": _share(called, _is_right),
        "irrelevance": _share(alone, _is_right),
        "missing_argument": _share(asked, _is_right),
    }


def _is_call_kind(kind: str) -> bool:
    return any(name in kind for name in CALLS)


def _is_right(row: Mapping[str, Any]) -> bool:
    return bool(row["right"])


def _share(rows: Sequence[Row], is_so: Callable[[Row], bool]) -> float | None:
    """None without rows: no share is known."""
    return round(sum(is_so(row) for row in rows) / len(rows), 4) if rows else None


def by(rows: Iterable[Row], key: str) -> dict[str, list[Row]]:
    """The rows by their value at a key, in the order of first sight."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row[key], []).append(row)
    return found
