"""Gopher's limits (arXiv 2112.11446) with datatrove's verdicts at a fraction of their cost.

Most documents are far from every limit, which can be shown cheaply; only a document that may break one goes to datatrove's filter, whose
verdict stands. datatrove joins and counts nine lengths of n-grams as strings. Here words are numbers: the commonest n-grams are counted
exactly, and the words inside any repeated 5-gram are at least those that datatrove counts for any longer one.
"""

from functools import lru_cache

import numpy as np
from datatrove.data import Document
from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
from datatrove.utils.text import PUNCTUATION_SET

from kishi.ngrams import hash_runs


class WordLimits(GopherQualityFilter):  # type: ignore[misc]
    """Mean word length and share of words with a letter; the other limits must be off."""

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        """datatrove's interface."""
        words = doc.text.split()
        shapes = list(map(_shape, words))
        letters = sum(length for length, _ in shapes if length)
        plain = sum(1 for length, _ in shapes if length)
        alphabetic = sum(alpha for _, alpha in shapes)
        if plain and letters <= self.max_avg_word_length * plain and alphabetic >= self.max_non_alpha_words_ratio * len(words):
            return True
        verdict: bool | tuple[bool, str] = super().filter(doc)
        return verdict


@lru_cache(1 << 18)
def _shape(word: str) -> tuple[int, bool]:
    """Length, 0 for a word of punctuation alone; whether there is a letter in it."""
    symbol = all(letter in PUNCTUATION_SET for letter in word)
    return 0 if symbol else len(word), any(map(str.isalpha, word))


class Repetition(GopherRepetitionFilter):  # type: ignore[misc]
    """Its limits on lines and paragraphs must be off."""

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        """datatrove's interface."""
        if doc.text and self._surely_passes(doc.text):
            return True
        verdict: bool | tuple[bool, str] = super().filter(doc)
        return verdict

    def _surely_passes(self, text: str) -> bool:
        words = text.split()
        numbers, lengths = _numbered(words)
        for length, limit in self.top_n_grams:
            if _commonest(numbers, lengths, length) > limit * len(text):
                return False
        shortest = min(length for length, _ in self.dup_n_grams)
        lowest = min(limit for _, limit in self.dup_n_grams)
        return _repeated(numbers, lengths, shortest) <= lowest * len(text)


def _numbered(words: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Per word a number that equal words share, and its length in characters."""
    seen: dict[str, int] = {}
    numbers = np.fromiter(map(seen.setdefault, words, range(len(words))), dtype=np.uint64, count=len(words))
    return numbers, np.fromiter(map(len, words), dtype=np.int64, count=len(words))


def _commonest(numbers: np.ndarray, lengths: np.ndarray, length: int) -> int:
    """Characters of the longest of the commonest n-grams, spaces inside it included, times how often it is there."""
    hashes = hash_runs(numbers, length)
    if not len(hashes):
        return 0
    values, counts = np.unique(hashes, return_counts=True)
    most = counts.max()
    starts = np.flatnonzero(np.isin(hashes, values[counts == most])) if most > 1 else np.arange(len(hashes))
    ends = np.concatenate(([0], np.cumsum(lengths)))
    return int((ends[starts + length] - ends[starts]).max() + length - 1) * int(most)


def _repeated(numbers: np.ndarray, lengths: np.ndarray, length: int) -> int:
    """Characters of the words inside n-grams that were there before."""
    hashes = hash_runs(numbers, length)
    if len(np.unique(hashes)) == len(hashes):
        return 0
    again = np.ones(len(hashes), dtype=bool)
    again[np.unique(hashes, return_index=True)[1]] = False
    inside = np.zeros(len(numbers), dtype=bool)
    for place in range(length):
        inside[place : place + len(hashes)] |= again
    return int(lengths[inside].sum())
