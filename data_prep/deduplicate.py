"""Near duplicates across all sources: datatrove's MinHash with locality-sensitive hashing (Broder 1997; Indyk, Motwani 1998).

datatrove computes signatures, sorts them into buckets and clusters pairs. Two things are added, since a shared bucket alone is no
proof: candidate pairs are compared by their whole signatures, and of a cluster the best document stays (clean before dirty, then the
longest, then the first) instead of an arbitrary one.
"""

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.dedup import MinhashConfig, MinhashDedupSignature
from datatrove.utils.hashing import HashConfig

from data_prep.document import Words, size
from data_prep.evidence import CleaningStep, Evidence
from kishi.ngrams import hash_runs, word_hash
from kishi.words import words_of

SHINGLE_WORDS = 3
BUCKETS, ROWS = 20, 6  # a pair of similarity 0.7 meets in some bucket with probability 0.92, of 0.8 with 0.998
_MAX_REPRESENTATIVES = 64
_CHUNK = 4096
_MADE = np.uint64(0x5555555555555555)
_RECORD = np.dtype([("clean", "u1"), ("bytes", "<u8"), ("words", "<u8"), ("signature", "<u4", BUCKETS * ROWS)])
_PAIR = np.dtype([("file_a", "<u4"), ("document_a", "<u4"), ("file_b", "<u4"), ("document_b", "<u4")])
_REMOVED = np.dtype([("document", "<u4"), ("exact", "u1"), ("similarity", "<f4")])


def config(seed: int) -> MinhashConfig:
    """Of all MinHash blocks of a run."""
    return MinhashConfig(SHINGLE_WORDS, BUCKETS, ROWS, seed, hash_config=HashConfig(precision=32))


class Signatures(MinhashDedupSignature):  # type: ignore[misc]
    """datatrove's signatures over our words; keeps a record of each document in the order of documents, for `VerifyPairs`.

    Documents that `corrupt.py` made are a world of their own: they are copies of clean ones on purpose.
    """

    def __init__(self, work: Path, seed: int) -> None:
        super().__init__(str(work / "signatures"), config(seed), Words())
        self.work = work
        self._current: Document | None = None
        self._words = ""
        self._records: Any = None

    def run(self, data: Iterable[Document], rank: int = 0, world_size: int = 1) -> None:
        """datatrove's interface; the last step of its executor."""
        path = _records(self.work, rank)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as self._records:
            super().run(self._remember(data), rank, world_size)
        self._records = self._current = None

    def _remember(self, data: Iterable[Document]) -> Iterator[Document]:
        for self._current in data:
            yield self._current

    def get_shingles(self, text: str) -> np.ndarray:
        """Hashes of the text's word shingles, shape (n, 1), n at least 1."""
        assert self._current is not None
        made = self._current.metadata["tier"] == "dirty" and self._current.id.split("+")[0].endswith("~dirty")
        words = words_of(text) or [text]
        self._words = " ".join(words)
        numbers = np.fromiter(map(word_hash, words), dtype=np.uint64, count=len(words))
        found = np.unique(hash_runs(numbers, min(SHINGLE_WORDS, len(words))))
        return (found ^ _MADE if made else found).reshape(-1, 1)

    def get_signature(self, hashes: np.ndarray) -> list[list[int]]:
        """Per bucket its rows. In chunks, so that a long document needs no more memory than a short one."""
        parts = [super(Signatures, self).get_signature(hashes[at : at + _CHUNK]) for at in range(0, len(hashes), _CHUNK)]
        signature = np.min(np.array(parts), axis=0)
        document = self._current
        assert document is not None
        words = xxhash.xxh64_intdigest(self._words.encode("utf-8"))
        record = np.array((document.metadata["tier"] == "clean", size(document.text), words, signature.reshape(-1)), dtype=_RECORD)
        self._records.write(record.tobytes())
        result: list[list[int]] = signature.tolist()
        return result


def _records(work: Path, rank: int) -> Path:
    return work / "records" / f"{rank:05d}.bin"


class _Records:
    """The records of all tasks, mapped into memory when asked for."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self._open: dict[int, Any] = {}

    def __getitem__(self, place: tuple[int, int]) -> Any:
        file, document = place
        if file not in self._open:
            self._open[file] = np.memmap(_records(self._work, file), dtype=_RECORD, mode="r")
        return self._open[file][document]


class VerifyPairs(PipelineStep):  # type: ignore[misc]
    """Task n keeps those of bucket n's pairs whose signatures agree in at least `similarity` of their places."""

    type, name = "data_prep", "verify pairs"

    def __init__(self, work: Path, similarity: float) -> None:
        super().__init__()
        self.work, self.similarity = work, similarity

    def run(self, data: None = None, rank: int = 0, world_size: int = 1) -> None:
        """datatrove's interface."""
        records, name = _Records(self.work), f"{rank:05d}_00.dups"
        good = []
        for group in _groups(np.fromfile(self.work / "pairs" / name, dtype=_PAIR)):
            kept: list[tuple[int, int]] = []
            for place in group:
                alike = next((other for other in kept if _similarity(records[other], records[place]) >= self.similarity), None)
                if alike:
                    good.append((*alike, *place))
                elif len(kept) < _MAX_REPRESENTATIVES:
                    kept.append(place)
        (self.work / "verified").mkdir(parents=True, exist_ok=True)
        np.array(good, dtype=_PAIR).tofile(self.work / "verified" / name)


def _groups(pairs: np.ndarray) -> Iterator[list[tuple[int, int]]]:
    """datatrove chains the documents of one bucket entry: (a, b), (b, c), ... Back to (a, b, c)."""
    group: list[tuple[int, int]] = []
    for file_a, document_a, file_b, document_b in pairs.tolist():
        if not group or group[-1] != (file_a, document_a):
            if group:
                yield group
            group = [(file_a, document_a)]
        group.append((file_b, document_b))
    if group:
        yield group


def _similarity(one: Any, other: Any) -> float:
    """Share of equal places: an unbiased estimate of the Jaccard similarity of the shingles."""
    return float(np.mean(one["signature"] == other["signature"]))


class ChooseKept(PipelineStep):  # type: ignore[misc]
    """Of each of datatrove's clusters, one stays; the others are listed for `DropDuplicates`."""

    type, name = "data_prep", "choose"

    def __init__(self, work: Path) -> None:
        super().__init__()
        self.work = work

    def run(self, data: None = None, rank: int = 0, world_size: int = 1) -> None:
        """datatrove's interface; one task."""
        clusters: dict[int, list[tuple[int, int]]] = {}
        for path in sorted((self.work / "clusters").glob("*.clusters")):
            for document, cluster in struct.iter_unpack("<2I", path.read_bytes()):
                clusters.setdefault(cluster, []).append((int(path.stem), document))
        records, removed = _Records(self.work), dict[int, list[Any]]()
        for places in clusters.values():
            best = min(places, key=lambda place: (-int(records[place]["clean"]), -int(records[place]["bytes"]), place))
            for file, document in places:
                if (file, document) != best:
                    one, other = records[(file, document)], records[best]
                    exact = one["words"] == other["words"]
                    removed.setdefault(file, []).append((document, exact, _similarity(one, other)))
        (self.work / "duplicates").mkdir(parents=True, exist_ok=True)
        for file, entries in removed.items():
            np.array(sorted(entries), dtype=_REMOVED).tofile(self.work / "duplicates" / f"{file:05d}.bin")


class DropDuplicates(CleaningStep):
    """Removes what `ChooseKept` listed."""

    name = "duplicates"

    def begin(self, rank: int, evidence: Evidence) -> None:
        """Load this shard's list."""
        path = self.work / "duplicates" / f"{rank:05d}.bin"
        listed = np.fromfile(path, dtype=_REMOVED) if path.exists() else np.array([], dtype=_REMOVED)
        self._listed = {int(entry["document"]): entry for entry in listed}
        self._place = -1

    def apply(self, document: Document, evidence: Evidence) -> Document | None:
        """By place in the shard."""
        self._place += 1
        entry = self._listed.get(self._place)
        if entry is None:
            return document
        reason = "exact-duplicate" if entry["exact"] else "near-duplicate"
        evidence.remove(document, reason, similarity=round(float(entry["similarity"]), 3))
        return None
