"""How well cleaning undid the faults that `corrupt.py` did: possible because the faults are known."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from data_prep.corrupt import BOILERPLATE, FOREIGN
from kishi.jsonl import Row

# What must not be left in a document that had the fault. Patterns of the fault itself, not those that cleaning looks for.
_TRACES = {
    "personal_data": re.compile(r"@example\.kz|\+7 701|ИИН \d{12}|4400 \d{4}"),
    "mixed_languages": re.compile("|".join(re.escape(text[:30]) for text in FOREIGN)),
    "boilerplate": re.compile("|".join(re.escape(line) for lines in BOILERPLATE.values() for line in lines)),
    "markup": re.compile(r"</?(p|div|script|a)\b|&(amp|laquo);|var a = 1"),
    "broken_encoding": re.compile("\ufffd|[ÐÑÒÓ][\x80-\xbf]"),
}
_COPIES = ("exact_duplicate", "near_duplicate")


_NO_VERDICT = ("heldout-", "contaminated-", "over-mix")  # these remove sound documents on purpose


def score_cleaning(kept: Iterable[Row], removed: Iterable[Row]) -> dict[str, Any]:
    """Per fault: documents that had it, of those removed, repaired, and left as they were. Held-out overlap counts for neither.

    `kept` are documents before the mix is cut, `removed` what the steps took out; rows of both say which faults were put in. Per fault
    also `recall` ((removed + repaired) / documents); for all of them `precision`: of the removed documents those that had a fault.
    """
    after = {row["id"]: row for row in kept if row["id"].split("+")[0].endswith("~dirty")}
    gone = {
        row["id"]: row
        for row in removed
        if row["unit"] == "document" and row["id"].split("+")[0].endswith("~dirty") and not row["reason"].startswith(_NO_VERDICT)
    }
    known = [*after.values(), *gone.values()]
    if not any(row["faults"] for row in known):
        return {}
    scores = {fault: _score(fault, [row for row in known if fault in row["faults"]], after) for fault in (*_TRACES, *_COPIES)}
    sound = [row for row in known if not row["faults"]]
    lost = sum(row["id"] in gone for row in sound)
    with_fault = sum(bool(row["faults"]) for row in gone.values())
    return {
        "faults": scores,
        "undamaged": {"documents": len(sound), "wrongly_removed": lost},
        "precision": round(with_fault / max(1, len(gone)), 4),
    }


def _score(fault: str, rows: Sequence[Row], after: dict[str, Row]) -> dict[str, Any]:
    kept = [row["text"] for row in rows if row["id"] in after]
    left = len(kept) if fault in _COPIES else sum(bool(_TRACES[fault].search(text)) for text in kept)
    counts = {"documents": len(rows), "removed": len(rows) - len(kept), "repaired": len(kept) - left, "left": left}
    return {**counts, "recall": round(1 - left / max(1, len(rows)), 4)}
