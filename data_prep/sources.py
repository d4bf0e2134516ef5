"""Which files a recipe's sources are, and how they are shared out: one `Unit` is what one task reads.

Units depend on the sources and the recipe only, never on the number of processes, so that any machine makes the same bytes.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from kishi.errors import DataError
from recipes.schema_data import Data, Source

ENDINGS = (".jsonl", ".jsonl.zst", ".txt", ".parquet")
WIKI = "wiki_"


@dataclass(frozen=True)
class Unit:
    """Part `part` of `parts` of some files of one source (of the hub data set when there are no files)."""

    source: Source
    files: tuple[Path, ...]
    part: int
    parts: int


def plan(data: Data) -> list[Unit]:
    """Units of all sources, in order. Raises DataError when a source is missing or has no readable file."""
    return [unit for source in data.sources for unit in _units(source, data)]


def _units(source: Source, data: Data) -> list[Unit]:
    if source.hub:
        return [Unit(source, (), part, source.hub.parts) for part in range(source.hub.parts)]
    limit = data.shard_megabytes * 1e6
    units: list[Unit] = []
    small: list[Path] = []
    for path in _files(source, Path(data.folder or ".")):
        parts = math.ceil(path.stat().st_size / limit) if path.suffix != ".txt" else 1
        if parts > 1:
            units += [Unit(source, (path,), part, parts) for part in range(parts)]
            continue
        if small and sum(p.stat().st_size for p in (*small, path)) > limit:
            units.append(Unit(source, tuple(small), 0, 1))
            small = []
        small.append(path)
    return units + ([Unit(source, tuple(small), 0, 1)] if small else [])


def _files(source: Source, folder: Path) -> list[Path]:
    path = folder / str(source.path)
    if not path.exists():
        raise DataError(f"source {source.name}: no such file or folder", where=path, fix="mend data.sources or data.folder in the recipe")
    found = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    files = [p for p in found if p.name.endswith(ENDINGS) or p.name.startswith(WIKI)]
    if not files:
        raise DataError(f"source {source.name}: no file that ends in {', '.join(ENDINGS)} or begins with {WIKI}", where=path)
    return files
