"""Shows what the data stage kept and removed.

python -m data_prep.inspect RUN [--reason R | --reasons | --kept] [--lang L] [--source S] [--tier T] [--samples N] [--seed K]

RUN is a run's folder (`runs/kishi-tiny`) or its data stage's folder.
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from kishi.command import command
from kishi.errors import ArtefactError
from kishi.jsonl import Row, read_rows

_LETTERS = 700


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0, or 1 when there is nothing to show."""
    options = _parse(arguments)
    console = Console(highlight=False)
    folder = _folder(options.run)
    if options.reasons:
        console.print(_reasons(_matching(_removed(folder), options)))
        return 0
    rows = _kept(folder) if options.kept else _removed(folder)
    return _show(console, _matching(rows, options), options)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m data_prep.inspect", description="Look at what was kept and removed.")
    parser.add_argument("run", type=Path, help="runs/<recipe>, or its data folder")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--reason", help="only this reason, or those that begin with it")
    what.add_argument("--reasons", action="store_true", help="count reasons instead of showing texts")
    what.add_argument("--kept", action="store_true", help="what stayed instead of what went")
    parser.add_argument("--lang")
    parser.add_argument("--source", help="part of a source's name")
    parser.add_argument("--tier", choices=("dirty", "clean"))
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0, help="another seed shows others")
    return parser.parse_args(arguments)


def _folder(run: Path) -> Path:
    folder = run / "data" if (run / "data" / "statistics.json").is_file() else run
    if not (folder / "statistics.json").is_file():
        raise ArtefactError("no finished data stage", where=run, fix="give runs/<recipe>, after `make data`")
    return folder


def _kept(folder: Path) -> Iterator[Row]:
    for path in sorted(folder.glob("corpus/*/*.jsonl.zst")):
        for row in read_rows(path):
            yield {**row, "reason": "kept", "unit": "document"}


def _removed(folder: Path) -> Iterator[Row]:
    for path in sorted(folder.glob("removed/*.jsonl.zst")):
        yield from read_rows(path)


def _matching(rows: Iterable[Row], options: argparse.Namespace) -> Iterator[Row]:
    for row in rows:
        fits = (not options.lang or row["lang"] == options.lang) and (not options.tier or row["tier"] == options.tier)
        if fits and (options.source or "") in row["source"] and (not options.reason or row["reason"].startswith(options.reason)):
            yield row


def _reasons(rows: Iterable[Row]) -> Table:
    counts = Counter[tuple[str, str, str]]()
    sizes = Counter[tuple[str, str, str]]()
    for row in rows:
        key = (row["reason"], row["unit"], row["lang"])
        counts[key] += 1
        sizes[key] += len(row["text"].encode("utf-8"))
    table = Table("reason", "what", "language", "count", "MB")
    for key, count in counts.most_common():
        table.add_row(*key, f"{count:,}", f"{sizes[key] / 1e6:.2f}")
    return table


def _show(console: Console, rows: Iterator[Row], options: argparse.Namespace) -> int:
    """A fair sample in one reading (reservoir sampling), so that any size fits."""
    draw, sample, seen = random.Random(options.seed), list[Row](), 0
    for row in rows:
        seen += 1
        if len(sample) < options.samples:
            sample.append(row)
        elif (place := draw.randrange(seen)) < options.samples:
            sample[place] = row
    for row in sample:
        about = " · ".join(str(row[key]) for key in ("reason", "unit", "lang", "tier", "source"))
        more = f" · similarity {row['similarity']}" if "similarity" in row else ""
        text = row["text"]
        cut = f"\n[dim]... {len(text) - _LETTERS:,} more letters[/]" if len(text) > _LETTERS else ""
        console.print(Panel(escape(text[:_LETTERS]) + cut, title=escape(f"{row['id']}"), subtitle=escape(about + more), title_align="left"))
    console.print(f"{len(sample)} of {seen:,} that match")
    return 0 if sample else 1


if __name__ == "__main__":
    sys.exit(main())
