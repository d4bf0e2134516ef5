"""The language of an answer."""

from kishi.identification import identify
from kishi.languages import LANGUAGES

MIN_LETTERS = 15  # a shorter answer cannot be told
_MARGIN = 0.5  # distance in score within which the best of our three is taken before a cousin (Kyrgyz, Bulgarian, Scots)


def language_of(text: str) -> str | None:
    """kk, ru, en or ISO 639-3 of another; None when the text is too short to tell."""
    if sum(map(str.isalpha, text)) < MIN_LETTERS:
        return None
    found = identify(" ".join(text.split()))
    return next((code for code, behind in found.items() if code in LANGUAGES and behind <= _MARGIN), next(iter(found)))
