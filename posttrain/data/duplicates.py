"""Exact and near duplicates among the examples of one kind: MinHash with locality-sensitive hashing, as in data preparation.

Of each cluster the first stays, in the order of the recipe's sources. Candidates that meet in a band are compared by their whole
signatures: the share of equal places estimates the Jaccard similarity of their word shingles (Broder 1997).
"""

import numpy as np
import xxhash

from kishi.ngrams import hash_runs, word_hash
from kishi.words import words_of
from posttrain.data.example import Example, texts_of

SHINGLE_WORDS = 3
BANDS, ROWS = 20, 6  # a pair of similarity 0.8 meets in some band with probability 0.998
_MOST_COMPARED = 64  # examples of one band; more are all alike already


class Duplicates:
    """Give it examples one by one; it says which was there before."""

    def __init__(self, similarity: float, seed: int) -> None:
        self._similarity = similarity
        draw = np.random.default_rng(seed)
        self._factors = draw.integers(1, 2**63, BANDS * ROWS, dtype=np.uint64) | np.uint64(1)
        self._shifts = draw.integers(0, 2**63, BANDS * ROWS, dtype=np.uint64)
        self._exact: dict[int, int] = {}  # hash of kind and words -> place
        self._bands: list[dict[int, int | list[int]]] = [{} for _ in range(BANDS)]  # mostly one place a key, so no list for it
        self._signatures: list[np.ndarray] = []
        self._names: list[str] = []

    def fault(self, example: Example) -> str | None:
        """Why it goes ("exact-duplicate: of which"), or None, and it is remembered."""
        kind, words = example["kind"], words_of("\n".join(texts_of(example)))
        words = words or texts_of(example)  # signs alone
        whole = xxhash.xxh64_intdigest(f"{kind} {' '.join(words)}".encode())
        if (other := self._exact.get(whole)) is not None:
            return f"exact-duplicate: of {self._names[other]}"
        signature = self._signature(words)
        if (near := self._nearest(kind, signature)) is not None:
            return f"near-duplicate: of {self._names[near]}"
        self._exact[whole] = len(self._names)
        for band, key in zip(self._bands, self._keys(kind, signature), strict=True):
            found = band.get(key)
            if found is None:
                band[key] = len(self._names)
            elif isinstance(found, int):
                band[key] = [found, len(self._names)]
            elif len(found) < _MOST_COMPARED:
                found.append(len(self._names))
        self._signatures.append(signature)
        self._names.append(example["id"])
        return None

    def _signature(self, words: list[str]) -> np.ndarray:
        """The smallest hash of any shingle under each of the functions, shape (BANDS * ROWS,)."""
        numbers = np.fromiter(map(word_hash, words), dtype=np.uint64, count=len(words))
        shingles = np.unique(hash_runs(numbers, min(SHINGLE_WORDS, len(words))))
        least = np.full(BANDS * ROWS, np.iinfo(np.uint64).max, dtype=np.uint64)
        for start in range(0, len(shingles), 1024):  # so that a long text needs no more memory than a short one
            mixed = shingles[start : start + 1024, None] * self._factors + self._shifts
            least = np.minimum(least, (mixed ^ (mixed >> np.uint64(31))).min(axis=0))
        return (least >> np.uint64(32)).astype(np.uint32)

    def _keys(self, kind: str, signature: np.ndarray) -> list[int]:
        rows = signature.reshape(BANDS, ROWS)
        return [xxhash.xxh64_intdigest(kind.encode() + row.tobytes()) for row in rows]

    def _nearest(self, kind: str, signature: np.ndarray) -> int | None:
        seen: set[int] = set()
        for band, key in zip(self._bands, self._keys(kind, signature), strict=True):
            found = band.get(key, [])
            seen.update([found] if isinstance(found, int) else found)
        alike = (place for place in sorted(seen) if np.mean(self._signatures[place] == signature) >= self._similarity)
        return next(alike, None)
