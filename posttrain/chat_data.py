"""Reads conversations and preference pairs. A bad example goes to the quarantine with its line and reason."""

import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kishi.errors import DataError
from kishi.jsonl import open_bytes, write_rows
from kishi.special_tokens import END_OF_TEXT, PAD, TURN_END, TURN_START

Example = dict[str, Any]
Check = Callable[[Example], str | None]
ROLES = ("user", "assistant")
CONTROL = (END_OF_TEXT, PAD, TURN_START, TURN_END)


@dataclass(frozen=True)
class Split:
    """Examples to train on and to measure on, and how many were left out for which reason."""

    train: list[Example]
    heldout: list[Example]
    quarantined: dict[str, int]

    @property
    def facts(self) -> dict[str, Any]:
        """For the manifest: counts, reasons, and a sentence when something was left out."""
        left_out = sum(self.quarantined.values())
        counts = {"train": len(self.train), "heldout": len(self.heldout), "quarantined": left_out}
        return {"examples": counts, "quarantined": self.quarantined, "warnings": [self.warning] if left_out else []}

    @property
    def warning(self) -> str:
        """What was left out, in one line; empty when nothing was."""
        left_out = sum(self.quarantined.values())
        reasons = ", ".join(f"{reason} {count}" for reason, count in self.quarantined.items())
        total = left_out + len(self.train) + len(self.heldout)
        return f"{left_out} of {total} examples left out (quarantine.jsonl): {reasons}" if left_out else ""


def load(path: Path, check: Check, heldout: float, seed: int, quarantine: Path) -> Split:
    """Read JSON Lines; `check` gives the fault of an example ("reason: detail") or None.

    Raises DataError when the file is missing or holds fewer than two good examples: one to train on, one to measure.
    """
    if not path.is_file():
        raise DataError("no such file", where=path, fix="mend `path` of this stage in the recipe")
    good, bad = _sort_out(path, check)
    write_rows(quarantine, bad)
    if len(good) < 2:
        first = f"; the first fault, line {bad[0]['line']}: {bad[0]['reason']}" if bad else ""
        raise DataError(f"{len(good)} usable examples{first}", where=path, fix="give at least two")
    random.Random(seed).shuffle(good)
    count = min(len(good) - 1, max(1, round(len(good) * heldout))) if heldout else 0
    reasons = Counter(row["reason"].partition(":")[0] for row in bad)
    return Split(good[count:], good[:count], dict(reasons.most_common()))


def _sort_out(path: Path, check: Check) -> tuple[list[Example], list[Example]]:
    good, bad = [], []
    with open_bytes(path) as stream:
        for number, line in enumerate(stream, 1):
            example, fault = _parse(line, check)
            if fault:
                bad.append({"file": path.name, "line": number, "reason": fault, "raw": line[:500].decode("utf-8", "backslashreplace")})
            elif example is not None:
                good.append(example)
    return good, bad


def _parse(line: bytes, check: Check) -> tuple[Example | None, str | None]:
    if not line.strip():
        return None, None
    try:
        example = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return None, f"not UTF-8: byte {error.start}"
    except (json.JSONDecodeError, RecursionError) as error:
        return None, f"not valid JSON: {getattr(error, 'msg', 'nested too deep')}"
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
            return f"{key}, {fault}"
    return "chosen and rejected are the same" if example["chosen"] == example["rejected"] else None


def turns_fault(messages: list[Any], last: str, first: str = "user") -> str | None:
    """What is wrong with a list of turns, or None."""
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict) or not isinstance(message.get("content"), str) or not message["content"].strip():
            return f"empty turn or not a message: turn {number}"
        # the tokenizer would read it as the end of the turn itself
        if token := next((token for token in CONTROL if token in message["content"]), None):
            return f"control token in the text: {token} in turn {number}"
    roles = [message.get("role") for message in messages]
    if roles[0] == "system" and first == "user":
        roles = roles[1:]
    start = ROLES.index(first)
    if any(role != ROLES[(start + number) % 2] for number, role in enumerate(roles)):
        return f"roles do not alternate from {first}: {', '.join(map(str, roles))}"
    return None if roles and roles[-1] == last else f"the last turn is not the {last}'s"
