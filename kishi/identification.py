"""Which language a text is in: heliport (HeLI-OTS, character n-grams and words; the model is in the wheel).

"Surely" is the distance in score by which the text's own language is behind the best guess: the distance to the second best guess would
not do, since short Russian lines are often nearest to Bulgarian or Mari, with Russian close behind.
"""

import re
from functools import cache
from typing import Any

_CODES = {"kaz": "kk", "rus": "ru", "eng": "en"}  # heliport answers in ISO 639-3
CYRILLIC = {"kk", "ru"}
CYRILLIC_LETTER = re.compile("[\u0400-\u052f\u1c80-\u1c8f]")
MIN_LETTERS = 40  # a shorter line cannot be told
_CANDIDATES = 20
_LETTERS = re.compile(r"[^\W\d_]+")
_SOME_CYRILLIC = 0.2  # share of letters from which on the Latin ones are taken for names
_FAR = 100.0  # the own language is not even among the candidates
_NOT_PROSE = re.compile(r"[^\s/\\_=<>{}]*+[/\\_=<>{}]\S*+")  # addresses, paths, code


@cache
def _identifier() -> Any:
    import heliport

    return heliport.Identifier()


def identify(text: str) -> dict[str, float]:
    """Languages (kk, ru, en or ISO 639-3), the best first, with their distance in score behind the best one."""
    found = _identifier().identify_topk_with_score(text.replace("\n", " "), _CANDIDATES)
    return {_CODES.get(code, code): float(score - found[0][1]) for code, score in found}


def _letters(text: str) -> int:
    return sum(map(len, _LETTERS.findall(text)))


def can_be_told(line: str) -> bool:
    """Whether there are letters enough."""
    return len(line) >= MIN_LETTERS and _letters(line) >= MIN_LETTERS


def judge(text: str, own: str, margin: float) -> str | None:
    """`own`, or the language that the text surely is in; None when it is too short to tell, or names and code rather than prose."""
    if len(text) < MIN_LETTERS:
        return None
    prose = _NOT_PROSE.sub(" ", text)
    letters = _letters(prose)
    if letters < MIN_LETTERS:
        return None
    distances = identify(prose)
    best = next(iter(distances))
    if best == own or distances.get(own, _FAR) <= margin:
        return own
    if own in CYRILLIC and _SOME_CYRILLIC < len(CYRILLIC_LETTER.findall(prose)) / letters < 0.5:
        return None  # product names inside a Cyrillic sentence do not make it English
    return best


def is_foreign(text: str, own: str, margin: float) -> str | None:
    """The language that the text surely is in, when that is not `own`."""
    found = judge(text, own, margin)
    return None if found == own else found
