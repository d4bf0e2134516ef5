"""What each step did, on file: removed documents and cut lines with their reasons, and counts of what went on.

A step is a datatrove block. Each of its tasks writes `<step>/<rank>.jsonl.zst` (removed) and `<step>/<rank>.json` (counts) below the
working folder, whole or not at all, so a task that is killed and run again leaves the same files.
"""

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from data_prep.document import size
from kishi.jsonl import RowWriter, write_json

Counts = dict[str, dict[str, int]]


class Evidence:
    """The record of one task of one step."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows = RowWriter(path.with_suffix(".jsonl.zst"))
        self._kept: Counts = defaultdict(lambda: {"documents": 0, "bytes": 0})
        self._removed: Counts = defaultdict(lambda: {"documents": 0, "lines": 0, "bytes": 0})
        self.notes: dict[str, Any] = {}

    def keep(self, document: Document) -> None:
        """Count what goes on to the next step."""
        _add(self._kept[_key(document)], documents=1, bytes=size(document.text))

    def remove(self, document: Document, reason: str, **more: Any) -> None:
        """A whole document goes."""
        self._write(document, "document", reason, document.text, more)
        _add(self._removed[f"{_key(document)}|{reason}"], documents=1, bytes=size(document.text))

    def cut(self, document: Document, reason: str, line: str) -> None:
        """One line goes, the document stays."""
        self._write(document, "line", reason, line, {})
        _add(self._removed[f"{_key(document)}|{reason}"], lines=1, bytes=size(line))

    def _write(self, document: Document, unit: str, reason: str, text: str, more: dict[str, Any]) -> None:
        about = {key: document.metadata[key] for key in ("lang", "source", "domain", "tier", "faults")}
        self._rows.write({"id": document.id, **about, "unit": unit, "reason": reason, **more, "text": text})

    def close(self) -> None:
        """Put both files in their place, the counts last."""
        self._rows.close()
        counts = {"kept": self._kept, "removed": self._removed, "notes": self.notes}
        write_json(self._path.with_suffix(".json"), counts)


def _add(counts: dict[str, int], **amounts: int) -> None:
    for name, amount in amounts.items():
        counts[name] += amount


def _key(document: Document) -> str:
    """tier|language|source: no name of a tier or language holds a bar, and the source comes last."""
    meta = document.metadata
    return f"{meta['tier']}|{meta['lang'] or 'unknown'}|{meta['source'].replace('|', '/')}"


class CleaningStep(PipelineStep):  # type: ignore[misc]
    """A datatrove block that keeps evidence. Subclasses say what becomes of one document."""

    type = "data_prep"

    def __init__(self, work: Path) -> None:
        super().__init__()
        self.work = work

    @abstractmethod
    def apply(self, document: Document, evidence: Evidence) -> Document | None:
        """The document, changed or not; None when it goes (after `evidence.remove`)."""

    def begin(self, rank: int, evidence: Evidence) -> None:
        """Called once a task, before the first document."""

    def end(self, rank: int, evidence: Evidence) -> None:
        """Called once a task, after the last document."""

    def run(self, data: Iterable[Document], rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """datatrove's interface."""
        evidence = Evidence(self.work / self.name / f"{rank:05d}")
        self.begin(rank, evidence)
        for document in data:
            with self.track_time():
                result = self.apply(document, evidence)
            if result is not None:
                evidence.keep(result)
                yield result
        self.end(rank, evidence)
        evidence.close()
