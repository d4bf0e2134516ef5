"""The first step: every unit of the sources read, checked and written down, so that a killed stage goes on with the next unit."""

import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from kishi.evaluation_texts import read_texts
from kishi.jsonl import RowWriter, read_rows
from kishi.overlap import ExampleIndex, HeldoutIndex
from kishi.progress import progress
from kishi.rows import Rejected
from posttrain.data.check import Checks, example_of
from posttrain.data.example import Example
from posttrain.data.sources import Unit
from recipes.schema import Recipe

ENOUGH = 3  # times what a source with `most` gives in the end
HELDOUT = ("heldout", "heldout-dirty")  # of the data stage


def checks(recipe: Recipe, data: Path) -> Checks:
    """Indexes of all that is evaluated: tasks, files of `chat.against`, held-out documents. Raises DataError when one cannot be read."""
    files = {task.name: Path(task.path) for task in recipe.eval.tasks} | {Path(path).name: Path(path) for path in recipe.chat.against}
    texts = {name: read_texts(name, path) for name, path in files.items()}
    documents = [[row["text"] for path in sorted((data / folder).glob("*.zst")) for row in read_rows(path)] for folder in HELDOUT]
    indexes = tuple(map(HeldoutIndex, documents))
    limits = recipe.data.decontamination
    return Checks(recipe.languages, recipe.chat.language_margin, ExampleIndex(texts, limits), indexes, limits.max_heldout_overlap)


def collect(units: list[Unit], work: Path, found: Checks) -> list[Path]:
    """Per unit a file of examples; beside it one of refused rows. Finished units are not read again.

    A source with `most` is not read to its end: each of its units gives up to three times its share, from which those that stay are drawn.
    """
    shares = Counter(unit.source.name for unit in units)
    shards = []
    with progress() as bar:
        task = bar.add_task("reading", total=len(units), info="")
        for number, unit in enumerate(units):
            shard = work / "examples" / f"{number:05d}.jsonl.zst"
            if not shard.exists():
                enough = math.ceil(ENOUGH * unit.source.most / shares[unit.source.name]) if unit.source.most else None
                _read(unit, shard, refused(shard), found, enough)
            shards.append(shard)
            bar.update(task, advance=1, info=unit.source.name)
    return shards


def refused(shard: Path) -> Path:
    """Where a shard's refused rows are."""
    return shard.parent.with_name("refused") / shard.name.removesuffix(".zst")


def _read(unit: Unit, shard: Path, bad: Path, found: Checks, enough: int | None) -> None:
    seen: Counter[str] = Counter()
    with RowWriter(shard, level=3) as good, RowWriter(bad) as quarantine:  # closed from the right: a shard that is there is whole
        for made in _examples(unit, found):
            if isinstance(made, Rejected):
                quarantine.write(made.row(unit.source.name))
                continue
            seen[made["id"]] += 1
            if (again := seen[made["id"]]) > 1:  # names of rows are not always their own
                made["id"] += f"-{again}"
            good.write(made)
            if good.count == enough:
                break


def _examples(unit: Unit, found: Checks) -> Iterator[Example | Rejected]:
    for item in unit.rows():
        if isinstance(item, Rejected):
            yield item
            continue
        file, number, row = item
        made = example_of(row, unit.source, f"{file.split('.')[0]}-{number}", found)
        yield (
            Rejected(file, number, made, json.dumps(row, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace"))
            if isinstance(made, str)
            else made
        )
