"""The held-out split: whole groups (one topic in all languages), kept from training to measure on, each tier apart."""

from pathlib import Path

from datatrove.data import Document

from data_prep.document import as_row
from data_prep.evidence import CleaningStep, Evidence
from data_prep.shards import shard
from kishi.draws import draw
from kishi.jsonl import RowWriter

FOLDERS = {"clean": "heldout", "dirty": "heldout-dirty"}  # by tier


class HoldOut(CleaningStep):
    """Moves held-out documents of both tiers to their folders below `documents`: what is left of a group is never trained on."""

    name = "held-out split"

    def __init__(self, work: Path, share: float, seed: int) -> None:
        super().__init__(work)
        self.share, self.seed = share, seed

    def begin(self, rank: int, evidence: Evidence) -> None:
        """Open this task's held-out files."""
        self._writers = {tier: RowWriter(shard(self.work, folder, rank), level=1) for tier, folder in FOLDERS.items()}

    def apply(self, document: Document, evidence: Evidence) -> Document | None:
        """By hash of the group's name and the seed: it does not depend on what else is there."""
        if draw(document.metadata["group"], self.seed) >= self.share:
            return document
        self._writers[document.metadata["tier"]].write(as_row(document))
        return None

    def end(self, rank: int, evidence: Evidence) -> None:
        """Close them."""
        for tier, writer in self._writers.items():
            evidence.notes[FOLDERS[tier]] = writer.count
            writer.close()
