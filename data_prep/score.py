"""How well cleaning undid the faults that `corrupt.py` did: possible because the faults are known."""

import re
from collections.abc import Sequence
from typing import Any

from data_prep.corrupt import BOILERPLATE, FOREIGN
from data_prep.document import Document, Removed

# What must not be left in a document that had the fault. Patterns of the fault itself, not those that cleaning looks for.
_TRACES = {
    "personal_data": re.compile(r"@example\.kz|\+7 701|ИИН \d{12}|4400 \d{4}"),
    "mixed_languages": re.compile("|".join(re.escape(text[:30]) for text in FOREIGN)),
    "boilerplate": re.compile("|".join(re.escape(line) for lines in BOILERPLATE.values() for line in lines)),
    "markup": re.compile(r"</?(p|div|script|a)\b|&(amp|laquo);|var a = 1"),
    "broken_encoding": re.compile("\ufffd|[ÐÑÒÓ][\x80-\xbf]"),
}
_COPIES = ("exact_duplicate", "near_duplicate")


def score_cleaning(damaged: Sequence[Document], cleaned: Sequence[Document], removed: Sequence[Removed]) -> dict[str, Any]:
    """Per fault: documents that had it, of those removed, repaired, and left as they were. Held-out overlap counts for neither."""
    if not any(document.faults for document in damaged):
        return {}
    after = {document.id: document.text for document in cleaned}
    skipped = {r.document.id for r in removed if r.reason == "heldout-overlap"}
    known = [document for document in damaged if document.id not in skipped]
    scores = {fault: _score(fault, [d for d in known if fault in d.faults], after) for fault in (*_TRACES, *_COPIES)}
    sound = [document for document in known if not document.faults]
    lost = sum(document.id not in after for document in sound)
    return {"faults": scores, "undamaged": {"documents": len(sound), "wrongly_removed": lost}}


def _score(fault: str, documents: Sequence[Document], after: dict[str, str]) -> dict[str, int]:
    kept = [after[document.id] for document in documents if document.id in after]
    left = len(kept) if fault in _COPIES else sum(bool(_TRACES[fault].search(text)) for text in kept)
    return {"documents": len(documents), "removed": len(documents) - len(kept), "repaired": len(kept) - left, "left": left}
