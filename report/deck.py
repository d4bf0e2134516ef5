"""What a slide is made of, and how a section of the report becomes one: the same tables and charts, only fewer rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from report.view import NOT_RUN, Block, Chart, Note, Section, Table

ROWS, COLUMNS, CELL = 10, 8, 60  # of a table at most, and letters of a cell: more cannot be read from the back of a room


@dataclass(frozen=True)
class Figure:
    """One large number."""

    value: str
    words: str


@dataclass(frozen=True)
class Figures:
    """Large numbers side by side."""

    items: Sequence[Figure]
    kind: str = field(default="figures", init=False)


@dataclass(frozen=True)
class Bullets:
    """Sentences, one below the other."""

    items: Sequence[str]
    kind: str = field(default="bullets", init=False)


Piece = Block | Figures | Bullets


@dataclass(frozen=True)
class Slide:
    """A title and one or two columns."""

    title: str
    columns: Sequence[Sequence[Piece]]
    first: bool = False

    @property
    def present(self) -> bool:
        """There is something to show."""
        return any(column for column in self.columns)


def charts(section: Section) -> list[Chart]:
    """The section's charts."""
    return [block for block in section.blocks if isinstance(block, Chart)]


def tables(section: Section) -> list[Table]:
    """The section's tables."""
    return [block for block in section.blocks if isinstance(block, Table)]


def short(table: Table, rows: int = ROWS, columns: Sequence[int] | None = None, cell: int = CELL) -> Table:
    """As much of a table as a slide holds; what was left out is counted in its caption."""
    chosen = list(columns) if columns is not None else list(range(min(COLUMNS, len(table.head))))
    kept = [[_cut(row[place], cell) for place in chosen if place < len(row)] for row in table.rows[:rows]]
    left = len(table.rows) - len(kept)
    caption = f"{table.caption} ({left} more in the report)" if left else table.caption
    return replace(table, caption=caption, head=[table.head[place] for place in chosen], rows=kept)


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1]}…"


def slide_of(section: Section) -> Slide:
    """Any section: two charts side by side, or a chart and a table, or a table, or why there is nothing."""
    drawn, listed = charts(section), tables(section)
    if not section.present:
        return Slide(section.title, [[Note(section.missing)]])
    if len(drawn) > 1:
        return Slide(section.title, [[drawn[0]], [drawn[1]]])
    if drawn and listed:
        return Slide(section.title, [[drawn[0]], [short(listed[0], 11, range(min(4, len(listed[0].head))))]])
    if drawn:
        return Slide(section.title, [[drawn[0]]])
    return Slide(section.title, [[short(table, ROWS if len(listed) == 1 else 5) for table in listed[:2]] or section.blocks[:1]])


def not_run(sections: Sequence[Section]) -> list[str]:
    """Stages that the summary names as not run."""
    summary = [table for section in sections if section.id == "summary" for table in tables(section)]
    return [row[0] for table in summary[:1] for row in table.rows if row[1] == NOT_RUN]
