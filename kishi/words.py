"""Texts as words: the form in which they are compared."""

import re
from collections.abc import Sequence

_WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """Words in lower case, without punctuation: the form in which texts are compared."""
    return _WORD.findall(text.lower())


def shingles(words: Sequence[str], length: int) -> list[tuple[str, ...]]:
    """Runs of `length` words in a row; one shorter run when there are fewer words."""
    if len(words) <= length:
        return [tuple(words)] if words else []
    return list(zip(*(words[i:] for i in range(length)), strict=False))
