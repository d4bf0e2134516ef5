"""The language of an answer, by heliport (HeLI-OTS, the model is in the wheel)."""

import re
from functools import cache
from typing import Any

_CODES = {"kaz": "kk", "rus": "ru", "eng": "en"}  # heliport answers in ISO 639-3
_LETTERS = re.compile(r"[^\W\d_]")
MIN_LETTERS = 15  # a shorter answer cannot be told
_CANDIDATES = 20
_MARGIN = 0.5  # distance in score within which the best of our three is taken before a cousin (Kyrgyz, Bulgarian, Scots)


@cache
def _identifier() -> Any:
    import heliport

    return heliport.Identifier()


def language_of(text: str) -> str | None:
    """kk, ru, en or ISO 639-3 of another; None when the text is too short to tell."""
    if len(_LETTERS.findall(text)) < MIN_LETTERS:
        return None
    found = _identifier().identify_topk_with_score(" ".join(text.split()), _CANDIDATES)
    best = found[0][1]
    ours = next((code for code, score in found if code in _CODES and score - best <= _MARGIN), found[0][0])
    return _CODES.get(ours, ours)
