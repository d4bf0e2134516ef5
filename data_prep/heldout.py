"""The held-out split: whole groups (one topic in all languages), and nothing in training that repeats them."""

import hashlib
from collections.abc import Iterable, Sequence

from data_prep.deduplicate import words_of
from data_prep.document import Document, Removed

NGRAM = 8
MAX_OVERLAP = 0.05


def split(documents: Sequence[Document], share: float, seed: int) -> tuple[list[Document], list[Document]]:
    """(training, held out). The choice depends on a group's name and the seed only, not on what else is there."""
    draws = [_draw(document.group, seed) for document in documents]  # by place: ids of two sources may be the same
    training = [document for document, draw in zip(documents, draws, strict=True) if draw >= share]
    return training, [document for document, draw in zip(documents, draws, strict=True) if draw < share]


def _draw(group: str, seed: int) -> float:
    digest = hashlib.blake2b(f"{seed}:{group}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def remove_overlap(documents: Sequence[Document], heldout: Iterable[Document]) -> tuple[list[Document], list[Removed]]:
    """Take out of training what belongs to a held-out group or shares word 8-grams with a held-out document."""
    heldout = list(heldout)
    groups = {document.group for document in heldout}
    grams = {gram for document in heldout for gram in _ngrams(document.text)}
    kept, removed = [], []
    for document in documents:
        own = _ngrams(document.text)
        leaks = document.group in groups or (own and len(own & grams) / len(own) > MAX_OVERLAP)
        (removed.append(Removed(document, "heldout-overlap")) if leaks else kept.append(document))
    return kept, removed


def _ngrams(text: str) -> set[str]:
    words = words_of(text)
    return {" ".join(words[i : i + NGRAM]) for i in range(len(words) - NGRAM + 1)}
