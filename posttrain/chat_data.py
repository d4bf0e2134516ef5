"""Reads conversations and preference pairs. A bad example goes to the quarantine with its line and reason."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kishi.errors import DataError
from kishi.jsonl import open_bytes, write_rows

Example = dict[str, Any]
ROLES = ("user", "assistant")


@dataclass(frozen=True)
class Split:
    """Examples to train on and to measure on."""

    train: list[Example]
    heldout: list[Example]


def load(path: Path, check: Callable[[Example], str | None], heldout: float, seed: int, quarantine: Path) -> Split:
    """Read JSON Lines; `check` gives the fault of an example or None. Raises DataError when the file is missing or holds nothing good."""
    if not path.is_file():
        raise DataError("no such file", where=path, fix="mend `path` of this stage in the recipe")
    good, bad = [], []
    with open_bytes(path) as stream:
        for number, line in enumerate(stream, 1):
            example, fault = _parse(line, check)
            if fault:
                bad.append({"file": path.name, "line": number, "reason": fault, "raw": line[:500].decode("utf-8", "backslashreplace")})
            elif example is not None:
                good.append(example)
    write_rows(quarantine, bad)
    if len(good) < 2:
        first = f"; the first fault, line {bad[0]['line']}: {bad[0]['reason']}" if bad else ""
        raise DataError(f"{len(good)} usable examples{first}", where=path, fix="give at least two")
    random.Random(seed).shuffle(good)
    count = max(1, round(len(good) * heldout)) if heldout else 0
    return Split(train=good[count:], heldout=good[:count])


def _parse(line: bytes, check: Callable[[Example], str | None]) -> tuple[Example | None, str | None]:
    if not line.strip():
        return None, None
    try:
        example = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return None, f"not UTF-8 (byte {error.start})"
    except json.JSONDecodeError as error:
        return None, f"not valid JSON: {error.msg}"
    if not isinstance(example, dict):
        return None, "not a JSON object"
    return example, check(example)


def conversation_fault(example: Example) -> str | None:
    """A conversation: an optional system turn, then user and assistant in turn, the assistant last."""
    messages = example.get("messages")
    if not isinstance(messages, list) or not messages:
        return "no messages"
    return turns_fault(messages, last="assistant")


def preference_fault(example: Example) -> str | None:
    """A pair: a prompt that ends with the user, and two different answers."""
    for key, last in (("prompt", "user"), ("chosen", "assistant"), ("rejected", "assistant")):
        turns = example.get(key)
        if not isinstance(turns, list) or not turns:
            return f"no {key}"
        if fault := turns_fault(turns, last=last, first="user" if key == "prompt" else "assistant"):
            return f"{key}: {fault}"
    return "chosen and rejected are the same" if example["chosen"] == example["rejected"] else None


def turns_fault(messages: list[Any], last: str, first: str = "user") -> str | None:
    """What is wrong with a list of turns, or None."""
    for number, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("content"), str) or not message["content"].strip():
            return f"turn {number + 1} is empty or not a message"
    roles = [message.get("role") for message in messages]
    if roles[0] == "system":
        roles = roles[1:]
    start = ROLES.index(first)
    if any(role != ROLES[(start + number) % 2] for number, role in enumerate(roles)):
        return f"roles do not alternate from {first}: {', '.join(map(str, roles))}"
    return None if roles and roles[-1] == last else f"the last turn is not the {last}'s"
