"""The files of a unit to rows: JSON Lines, parquet and the hub (`kishi/rows.py`), plain text, Wikipedia extracts."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data_prep.sources import WIKI, Unit
from kishi.rows import Item, Rejected, hub_rows, json_rows, numbered_lines, parquet_rows

_WIKI_OPEN = re.compile(r'<doc id="(?P<id>[^"]*)".*?title="(?P<title>[^"]*)">')


def rows(unit: Unit) -> Iterator[Item]:
    """Everything in a unit, in order."""
    if unit.source.hub:
        yield from hub_rows(unit.source.hub, unit.part, unit.parts)
    for path in unit.files:
        if path.suffix == ".parquet":
            yield from parquet_rows(path, unit.part, unit.parts)
        elif path.suffix == ".txt":
            yield from _text_row(path)
        elif path.name.startswith(WIKI):
            yield from _wiki_rows(path)
        else:
            yield from json_rows(path, unit.part, unit.parts)


def _text_row(path: Path) -> Iterator[Item]:
    """One document a file."""
    raw = path.read_bytes()
    try:
        yield path.name, 1, {"text": raw.decode("utf-8-sig")}
    except UnicodeDecodeError as error:
        yield Rejected(path.name, 1, f"not UTF-8 (byte {error.start})", raw)


def _wiki_rows(path: Path) -> Iterator[Item]:
    """WikiExtractor's two forms: JSON Lines, or `<doc id= title=> ... </doc>`; the first text line of the latter repeats the title."""
    first = next(iter(numbered_lines(path)), (1, b""))[1]
    if isinstance(first, bytes) and not first.startswith(b"<doc"):
        yield from json_rows(path, 0, 1)
        return
    page: dict[str, Any] | None = None
    for number, line in numbered_lines(path):
        text = line.decode("utf-8", "replace") if isinstance(line, bytes) else ""
        if opened := _WIKI_OPEN.match(text):
            page = {"id": opened["id"], "title": opened["title"], "lines": []}
        elif text == "</doc>" and page:
            body = "\n".join(page["lines"][1:] if page["lines"][:1] == [page["title"]] else page["lines"])
            yield path.name, number, {"id": page["id"], "title": page["title"], "text": body}
            page = None
        elif page:
            page["lines"].append(text)
    if page:
        yield Rejected(path.name, number, "page without </doc>: the file is cut off", page["title"].encode())
