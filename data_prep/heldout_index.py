"""Which 8-grams the held-out documents have: made once for all tasks, on disk, so that neither time nor memory grow with their number.

Words are numbers here (`ngrams.py`): an 8-gram takes twelve bytes.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from datatrove.pipeline.base import PipelineStep

from data_prep.document import words_of
from data_prep.heldout import FOLDERS
from data_prep.ngrams import hash_runs, word_hash
from kishi.jsonl import read_rows

NGRAM = 8
_COMMON = 3  # held-out documents from which on an 8-gram is a set phrase (a notice, a table's head), which leaks nothing


class IndexHeldout(PipelineStep):  # type: ignore[misc]
    """One task: an index a tier (tiers share set phrases)."""

    type, name = "data_prep", "held-out index"

    def __init__(self, work: Path) -> None:
        super().__init__()
        self.work = work

    def run(self, data: None = None, rank: int = 0, world_size: int = 1) -> None:
        """datatrove's interface."""
        for folder in FOLDERS.values():
            HeldoutIndex.of(self._texts(folder)).save(index_folder(self.work, folder))

    def _texts(self, folder: str) -> Iterator[str]:
        for path in sorted((self.work / "documents" / folder).glob("*.zst")):
            yield from (row["text"] for row in read_rows(path))


def index_folder(work: Path, folder: str) -> Path:
    """Where the index of the held-out documents in `folder` is."""
    return work / IndexHeldout.name / folder


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
