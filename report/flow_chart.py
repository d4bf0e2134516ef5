"""What each step of data preparation left, as bands of the languages that grow thinner from step to step (after Sankey's diagrams)."""

from collections.abc import Sequence

from markupsafe import Markup

from kishi.jsonl import Row
from report.charts import COLOURS, WIDTH, Scale, legend, picture, svg_text
from report.view import dig, is_number

_LEFT, _RIGHT, _TOP, _ROW, _BAR = 100, 66, 46, 34, 14


def flow_chart(title: str, steps: Sequence[Row], languages: Sequence[str], unit: str = "documents") -> Markup | None:
    """A bar a step, a segment a language, as wide as its documents (or bytes); on the right what is left and what went."""
    counts = [[_count(step, unit, language) for language in languages] for step in steps]
    largest = max((sum(row) for row in counts), default=0)
    if len(counts) < 2 or not largest:
        return None
    scale = Scale(0, largest, _LEFT, WIDTH - _RIGHT)
    body = ""
    for place, (step, row) in enumerate(zip(steps, counts, strict=True)):
        y = _TOP + place * _ROW
        body += svg_text(_LEFT - 5, y + 11, str(step.get("step")), "end")
        body += _segments(row, scale, y)
        if place + 1 < len(counts):
            body += _bands(row, counts[place + 1], scale, y)
        gone = sum(counts[place - 1]) - sum(row) if place else 0
        body += svg_text(scale(sum(row)) + 4, y + 11, f"{sum(row):,.0f}{f' (−{gone:,.0f})' if gone > 0 else ''}", "start", "value")
    described = f"{sum(counts[0]):,.0f} {unit} at first, {sum(counts[-1]):,.0f} at last"
    return picture(title, described, _TOP + _ROW * len(counts), body + legend(languages))


def _count(step: Row, unit: str, language: str) -> float:
    value = dig(step, unit, language)
    return float(value) if is_number(value) else 0.0


def _edges(row: Sequence[float], scale: Scale) -> list[tuple[float, float]]:
    """Left and right end of each language's segment."""
    ends, total = [], 0.0
    for count in row:
        ends.append((scale(total), scale(total + count)))
        total += count
    return ends


def _segments(row: Sequence[float], scale: Scale, y: float) -> str:
    parts = [
        f'<rect x="{start:.1f}" y="{y}" width="{end - start:.1f}" height="{_BAR}" class="fill c{place % COLOURS}"/>'
        for place, (start, end) in enumerate(_edges(row, scale))
    ]
    return "".join(parts)


def _bands(row: Sequence[float], below: Sequence[float], scale: Scale, y: float) -> str:
    """What goes on from one bar to the next; the rest ends here."""
    top, bottom = y + _BAR, y + _ROW
    return "".join(
        f'<polygon points="{a:.1f},{top} {b:.1f},{top} {d:.1f},{bottom} {c:.1f},{bottom}" class="band c{place % COLOURS}"/>'
        for place, ((a, b), (c, d)) in enumerate(zip(_edges(row, scale), _edges(below, scale), strict=True))
    )
