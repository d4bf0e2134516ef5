"""The index of held-out documents: made once for all tasks, on disk, so that neither time nor memory grow with their number."""

from collections.abc import Iterator
from pathlib import Path

from datatrove.pipeline.base import PipelineStep

from data_prep.heldout import FOLDERS
from kishi.heldout_index import HeldoutIndex
from kishi.jsonl import read_rows


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
