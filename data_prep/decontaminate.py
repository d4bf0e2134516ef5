"""Keeps text that is evaluated on out of training: tasks, chat examples, held-out documents (what a repetition is: `kishi/overlap.py`)."""

from collections.abc import Iterator
from pathlib import Path

from datatrove.data import Document

from data_prep.evidence import CleaningStep, Evidence
from data_prep.heldout import FOLDERS
from kishi.jsonl import read_rows
from kishi.overlap import ExampleIndex, HeldoutIndex
from kishi.words import words_of
from recipes.schema_data import Decontamination


class Decontaminate(CleaningStep):
    """Compares each document with all evaluation texts."""

    name = "decontamination"

    def __init__(self, work: Path, texts: dict[str, list[str]], limits: Decontamination) -> None:
        super().__init__(work)
        self.texts, self.limits = texts, limits

    def begin(self, rank: int, evidence: Evidence) -> None:
        """Build the indexes; held-out documents are those of all shards."""
        self.examples = ExampleIndex(self.texts, self.limits)
        self.heldout = {folder: HeldoutIndex(self._texts(folder)) for folder in FOLDERS.values()}  # apart: tiers share set phrases
        counts = {folder: index.count for folder, index in self.heldout.items()}
        evidence.notes |= {"compared_with": {**self.examples.counts, **counts}, "too_short": self.examples.too_short}

    def _texts(self, folder: str) -> Iterator[str]:
        for path in sorted((self.work / "documents" / folder).glob("*.zst")):
            yield from (row["text"] for row in read_rows(path))

    def apply(self, document: Document, evidence: Evidence) -> Document | None:
        """None for a document that repeats evaluation text."""
        if name := self.examples.find(document.text):
            evidence.remove(document, f"contaminated-{name}")
            return None
        words = words_of(document.text)
        if max(index.overlap(words) for index in self.heldout.values()) > self.limits.max_heldout_overlap:
            evidence.remove(document, "heldout-overlap")
            return None
        return document
