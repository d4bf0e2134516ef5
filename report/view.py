"""What the page shows: sections of tables, charts, samples and notes, as plain data; and how numbers are written."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from markupsafe import Markup

NOT_RUN = "not run"
NONE = "–"


@dataclass(frozen=True)
class Table:
    """Rows of text under a caption; the first column names the row."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    kind: str = field(default="table", init=False)


@dataclass(frozen=True)
class Chart:
    """An SVG made by `charts`, which escapes its labels."""

    svg: Markup
    kind: str = field(default="chart", init=False)


@dataclass(frozen=True)
class Sample:
    """What a model wrote."""

    label: str
    lang: str
    prompt: str
    text: str


@dataclass(frozen=True)
class Samples:
    """Texts of models under one heading."""

    caption: str
    items: Sequence[Sample]
    kind: str = field(default="samples", init=False)


@dataclass(frozen=True)
class Piece:
    """What one token stands for, or several that make one character; `colour` is a number from 0 to 4."""

    text: str
    tokens: int
    colour: int


@dataclass(frozen=True)
class Side:
    """A text as one tokenizer cuts it."""

    caption: str
    pieces: Sequence[Piece]


@dataclass(frozen=True)
class Tokens:
    """One text cut by several tokenizers, side by side."""

    caption: str
    sides: Sequence[Side]
    kind: str = field(default="tokens", init=False)


@dataclass(frozen=True)
class Code:
    """Text shown as it is, folded away until it is asked for."""

    caption: str
    text: str
    kind: str = field(default="code", init=False)


@dataclass(frozen=True)
class Note:
    """One sentence."""

    text: str
    kind: str = field(default="note", init=False)


Block = Table | Chart | Samples | Tokens | Code | Note


@dataclass
class Section:
    """One part of the page. Without blocks it says `missing` instead."""

    id: str
    title: str
    missing: str = NOT_RUN
    blocks: list[Block] = field(default_factory=list)

    @property
    def present(self) -> bool:
        """Something other than remarks is there."""
        return any(not isinstance(block, Note) for block in self.blocks)

    def add(self, block: Block | None) -> None:
        """Add a block; a table or list of samples without rows is left out."""
        if block is None or (isinstance(block, Table) and not block.rows) or (isinstance(block, Samples) and not block.items):
            return
        self.blocks.append(block)


def dig(value: Any, *keys: str) -> Any:
    """The value below nested keys, or None where one of them is missing."""
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    return value


def table_of(value: Any) -> dict[str, Any]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def is_number(value: Any) -> TypeGuard[float]:
    """A finite number (JSON's NaN is none)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def number(value: Any, digits: int = 3) -> str:
    """A number, or whatever else is there, for a table's cell."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if value == 0:
            return "0"
        if not math.isfinite(value):
            return str(value)
        return f"{value:.2e}" if value and abs(value) < 10**-digits else f"{value:,.{digits}f}"
    return str(value)


def percent(value: Any) -> str:
    """A share as percent."""
    return f"{100 * value:.1f} %" if is_number(value) else number(value)


def size(value: Any) -> str:
    """Bytes in the largest unit that keeps the number above 1."""
    if not is_number(value):
        return number(value)
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if value >= factor:
            return f"{value / factor:.1f} {unit}"
    return f"{value:.0f} B"


def duration(value: Any) -> str:
    """Seconds in words."""
    if not is_number(value):
        return number(value)
    if value < 120:
        return f"{value:.1f} s"
    return f"{value / 60:.1f} min" if value < 7200 else f"{value / 3600:.1f} h"
