"""Which 8-grams held-out documents have. Words are numbers here (`ngrams.py`): an 8-gram takes twelve bytes."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from kishi.ngrams import hash_runs, word_hash
from kishi.words import words_of

NGRAM = 8
_COMMON = 3  # held-out documents from which on an 8-gram is a set phrase (a notice, a table's head), which leaks nothing


class HeldoutIndex:
    """`grams` (uint64, sorted, at most twice the same) stand in documents `places`; `sizes`: different 8-grams of each document."""

    def __init__(self, grams: np.ndarray, places: np.ndarray, sizes: np.ndarray) -> None:
        self._grams, self._places, self._sizes = grams, places, sizes
        self.count = len(sizes)

    @classmethod
    def of(cls, texts: Iterable[str]) -> "HeldoutIndex":
        """Of these documents."""
        by_text = [_eight(words_of(text)) for text in texts]
        sizes = np.array([len(grams) for grams in by_text], dtype=np.uint32)
        grams = np.concatenate([np.zeros(0, dtype=np.uint64), *by_text])
        places = np.repeat(np.arange(len(sizes), dtype=np.uint32), sizes)
        order = np.argsort(grams, kind="stable")
        grams, places = grams[order], places[order]
        _, which, counts = np.unique(grams, return_inverse=True, return_counts=True)
        rare = counts[which] < _COMMON
        return cls(grams[rare], places[rare], sizes)

    def save(self, folder: Path) -> None:
        """Three arrays."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, values in (("grams", self._grams), ("places", self._places), ("sizes", self._sizes)):
            np.save(folder / f"{name}.npy", values)

    @classmethod
    def load(cls, folder: Path) -> "HeldoutIndex":
        """Mapped into memory."""
        return cls(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("grams", "places", "sizes")))

    def overlap(self, words: Sequence[str]) -> float:
        """The largest share of 8-grams in common with one held-out document, of the smaller of the two."""
        own = _eight(words)
        first, end = np.searchsorted(self._grams, own), np.searchsorted(self._grams, own, side="right")
        once, twice = first[end > first], first[end > first + 1] + 1
        places = self._places[np.concatenate([once, twice])]
        if not len(places):
            return 0.0
        found, counts = np.unique(places, return_counts=True)
        return float((counts / np.minimum(len(own), self._sizes[found])).max())


def _eight(words: Sequence[str]) -> np.ndarray:
    """The different 8-grams, sorted."""
    return np.unique(hash_runs(np.fromiter(map(word_hash, words), dtype=np.uint64, count=len(words)), NGRAM))
