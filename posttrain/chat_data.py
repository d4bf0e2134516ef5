"""Reads what the chat-data stage made. An example that the model cannot hold goes to the quarantine with its reason."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kishi.errors import DataError
from kishi.jsonl import read_rows, write_rows

Example = dict[str, Any]
Check = Callable[[Example], str | None]


@dataclass(frozen=True)
class Split:
    """Examples to train on and to measure on, and how many were left out for which reason."""

    train: list[Example]
    heldout: list[Example]
    quarantined: dict[str, int]

    @property
    def facts(self) -> dict[str, Any]:
        """For the manifest: counts, reasons, licences, and a sentence when something was left out."""
        left_out = sum(self.quarantined.values())
        licences = Counter(example["license"] for example in (*self.train, *self.heldout))
        return {
            "examples": {"train": len(self.train), "heldout": len(self.heldout), "quarantined": left_out},
            "quarantined": self.quarantined,
            "licenses": dict(licences.most_common()),
            "warnings": [self.warning] if left_out else [],
        }

    @property
    def warning(self) -> str:
        """What was left out, in one line; empty when nothing was."""
        left_out = sum(self.quarantined.values())
        reasons = ", ".join(f"{reason} {count}" for reason, count in self.quarantined.items())
        total = left_out + len(self.train) + len(self.heldout)
        return f"{left_out} of {total} examples left out (quarantine.jsonl): {reasons}" if left_out else ""


def load(folder: Path, check: Check, quarantine: Path) -> Split:
    """One kind's folder of the chat-data stage; `check` gives the fault of an example ("reason: detail") or None.

    Raises DataError when nothing is left to train on.
    """
    bad: list[Example] = []
    sides = {side: list(_good(read_rows(folder / f"{side}.jsonl"), side, check, bad)) for side in ("train", "heldout")}
    write_rows(quarantine, bad)
    if not sides["train"]:
        first = f"; the first fault, {bad[0]['id']}: {bad[0]['reason']}" if bad else ""
        raise DataError(f"no example that can be trained on{first}", where=folder, fix="raise max_length, or add sources to chat.sources")
    reasons = Counter(row["reason"].partition(":")[0] for row in bad)
    return Split(sides["train"], sides["heldout"], dict(reasons.most_common()))


def _good(rows: Iterable[Example], side: str, check: Check, bad: list[Example]) -> Iterable[Example]:
    for number, example in enumerate(rows, 1):
        if fault := check(example):
            bad.append({"file": f"{side}.jsonl", "line": number, "id": example["id"], "reason": fault})
        else:
            yield example
