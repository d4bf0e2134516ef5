"""The held-out split: whole groups (one topic in all languages) of clean documents, kept from training to measure on."""

import hashlib
from pathlib import Path

from datatrove.data import Document

from data_prep.document import as_row
from data_prep.evidence import CleaningStep, Evidence
from data_prep.shards import shard
from kishi.jsonl import RowWriter

FOLDER = "heldout"


class HoldOut(CleaningStep):
    """Moves held-out documents to `documents/heldout`; training documents of a held-out group are removed."""

    name = "held-out split"

    def __init__(self, work: Path, share: float, seed: int) -> None:
        super().__init__(work)
        self.share, self.seed = share, seed

    def begin(self, rank: int, evidence: Evidence) -> None:
        """Open this task's held-out file."""
        self._writer = RowWriter(shard(self.work, FOLDER, rank), level=1)

    def apply(self, document: Document, evidence: Evidence) -> Document | None:
        """By hash of the group's name and the seed: it does not depend on what else is there."""
        if draw(document.metadata["group"], self.seed) >= self.share:
            return document
        if document.metadata["tier"] == "clean":
            self._writer.write(as_row(document))
        else:
            evidence.remove(document, "heldout-group")
        return None

    def end(self, rank: int, evidence: Evidence) -> None:
        """Close it."""
        evidence.notes["heldout"] = self._writer.count
        self._writer.close()


def draw(name: str, seed: int) -> float:
    """A number in [0, 1) that belongs to the name."""
    digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64
