"""Exact duplicates by hash, near duplicates by MinHash with locality-sensitive hashing (Broder 1997; Indyk, Motwani 1998).

The first document of a set of duplicates stays. Candidates from the hash bands are checked against the signature's estimate of
the Jaccard similarity before one is removed.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import regex

from data_prep.document import Document, Removed

PERMUTATIONS, BANDS = 128, 32
SHINGLE_WORDS = 3
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")
_MASK = np.uint64((1 << 61) - 1)


def words_of(text: str) -> list[str]:
    """Words in lower case, without punctuation: the form in which texts are compared."""
    return [word.lower() for word in _WORD.findall(text)]


def remove_exact(documents: Sequence[Document]) -> tuple[list[Document], list[Removed]]:
    """Documents whose words are the same in the same order."""
    kept, removed, seen = [], [], set()
    for document in documents:
        digest = hashlib.blake2b(" ".join(words_of(document.text)).encode(), digest_size=16).digest()
        if digest in seen:
            removed.append(Removed(document, "exact-duplicate"))
        else:
            seen.add(digest)
            kept.append(document)
    return kept, removed


def remove_near(documents: Sequence[Document], similarity: float, seed: int) -> tuple[list[Document], list[Removed]]:
    """Documents whose word shingles have at least this Jaccard similarity with an earlier one's."""
    coefficients = np.random.default_rng(seed).integers(1, 1 << 61, size=(2, PERMUTATIONS), dtype=np.uint64)
    bands: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    signatures: list[np.ndarray] = []
    kept, removed = [], []
    for document in documents:
        signature = minhash(document.text, coefficients)
        keys = [(band, rows.tobytes()) for band, rows in enumerate(signature.reshape(BANDS, -1))]
        candidates = {number for key in keys for number in bands.get(key, ())}
        if any(float(np.mean(signatures[number] == signature)) >= similarity for number in candidates):
            removed.append(Removed(document, "near-duplicate"))
            continue
        for key in keys:
            bands[key].append(len(signatures))
        signatures.append(signature)
        kept.append(document)
    return kept, removed


def minhash(text: str, coefficients: np.ndarray) -> np.ndarray:
    """Signature of the text's word shingles, shape (PERMUTATIONS,)."""
    words = words_of(text)
    shingles = {" ".join(words[i : i + SHINGLE_WORDS]) for i in range(max(1, len(words) - SHINGLE_WORDS + 1))}
    hashes = np.array([int.from_bytes(hashlib.blake2b(s.encode(), digest_size=4).digest()) for s in sorted(shingles)], dtype=np.uint64)
    with np.errstate(over="ignore"):
        mixed = (hashes[:, None] * coefficients[0] + coefficients[1]) & _MASK
    smallest: np.ndarray = mixed.min(axis=0)
    return smallest
