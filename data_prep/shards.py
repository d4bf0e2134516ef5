"""Files between two executors: one compressed shard a task, the same documents in the same order for every step that reads them."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from data_prep.document import as_row, make
from kishi.jsonl import RowWriter, read_rows


def shard(work: Path, name: str, rank: int) -> Path:
    """Where task `rank` of a step leaves its documents."""
    return work / "documents" / name / f"{rank:05d}.jsonl.zst"


class ReadShard(PipelineStep):  # type: ignore[misc]
    """Reads what `WriteShard` of an earlier executor wrote."""

    type = "data_prep"

    def __init__(self, work: Path, name: str) -> None:
        super().__init__()
        self.work, self.name = work, name

    def run(self, data: None = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """datatrove's interface."""
        yield from map(make, read_rows(shard(self.work, self.name, rank)))


class WriteShard(ReadShard):
    """Writes each document and lets it through; light compression, since the file is read once and then deleted."""

    def run(self, data: Iterable[Document], rank: int = 0, world_size: int = 1) -> Iterator[Document]:  # type: ignore[override]
        """datatrove's interface."""
        with RowWriter(shard(self.work, self.name, rank), level=1) as writer:
            for document in data:
                writer.write(as_row(document))
                yield document
