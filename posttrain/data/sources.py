"""Which files a recipe's chat sources are, and how they are shared out: one `Unit` is what is read at a time, and kept after a kill."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from kishi.errors import DataError
from kishi.rows import Item, file_rows, hub_rows
from recipes.schema_chat import ENDINGS, Chat, ChatSource


@dataclass(frozen=True)
class Unit:
    """One file of a source, or part `part` of a hub data set."""

    source: ChatSource
    path: Path | None = None
    part: int = 0
    single: bool = True

    @property
    def prefix(self) -> str:
        """What names of its examples begin with: files of one source may use the same names."""
        inside = self.path.name.split(".")[0] if self.path else f"part-{self.part}"
        return self.source.name if self.single else f"{self.source.name}/{inside}"

    def rows(self) -> Iterator[Item]:
        """Everything in it, in order."""
        if self.source.hub:
            yield from hub_rows(self.source.hub, self.part, self.source.hub.parts)
        elif self.path:
            yield from file_rows(self.path)


def plan(chat: Chat, data: Path) -> list[Unit]:
    """Units of all sources, in order; `data`: folder of the data stage. Raises DataError when a source has no readable file."""
    planned = [_units(source, chat, data) for source in chat.sources]
    return [replace(unit, single=len(units) == 1) for units in planned for unit in units]


def _units(source: ChatSource, chat: Chat, data: Path) -> list[Unit]:
    if source.hub:
        return [Unit(source, None, part) for part in range(source.hub.parts)]
    if source.corpus:
        return [Unit(source, file) for file in _corpus_files(source, data)]
    path = chat.file_of(source)
    assert path is not None  # the schema asks for one of the three
    if not path.exists():
        fix = "mend chat.sources or chat.folder in the recipe"
        raise DataError(f"source {source.name}: no such file or folder", where=path, fix=fix)
    files = [path] if path.is_file() else sorted(found for found in path.rglob("*") if found.is_file())
    units = [Unit(source, file) for file in files if file.name.endswith(ENDINGS)]
    if not units:
        raise DataError(f"source {source.name}: no file that ends in {', '.join(ENDINGS)}", where=path)
    return units


def _corpus_files(source: ChatSource, data: Path) -> list[Path]:
    """Shards of the clean tier that hold this source's documents: `<language>-<number of the data stage's unit>.jsonl.zst`."""
    origins = json.loads((data / "statistics.json").read_bytes())["shard_sources"]
    wanted = {number for number, name in enumerate(origins) if name == source.corpus}
    files = sorted((data / "corpus" / "clean").glob(f"{source.language or '*'}-*.jsonl.zst"))
    found = [file for file in files if int(file.name.split(".")[0].rpartition("-")[2]) in wanted]
    if not found:
        where = data / "corpus" / "clean"
        raise DataError(f"source {source.name}: no document of {source.corpus} is in the clean tier", where=where, fix="mend chat.sources")
    return found
