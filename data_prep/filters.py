"""Limits that a document must keep; the first that it breaks is its reason for removal."""

from collections import Counter

from recipes.schema import Filters


def broken_limit(text: str, limits: Filters) -> str | None:
    """The reason why the document goes, or None. Lengths are in characters."""
    if len(text) < limits.min_characters:
        return "too-short"
    if len(text) > limits.max_characters:
        return "too-long"
    if "\ufffd" in text:
        return "broken-encoding"
    if non_alphabetic(text) > limits.max_non_alphabetic:
        return "non-alphabetic"
    if duplicate_lines(text) > limits.max_duplicate_lines:
        return "duplicate-lines"
    words = text.split()
    if sum(map(len, words)) / len(words) > limits.max_mean_word_length:
        return "long-words"
    return None


def non_alphabetic(text: str) -> float:
    """Share of characters that are neither letters nor white space."""
    return sum(not (letter.isalpha() or letter.isspace()) for letter in text) / len(text)


def duplicate_lines(text: str) -> float:
    """Share of characters in lines that stand in the document before."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    repeated = sum(len(line) * (count - 1) for line, count in Counter(lines).items())
    return repeated / max(1, sum(map(len, lines)))
