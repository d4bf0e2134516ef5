"""Line and bar charts, and the funnel, as inline SVG. Colours are CSS classes, so that they follow the page's light or dark theme."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

from kishi.jsonl import Row
from report.view import dig, is_number

WIDTH, HEIGHT = 360, 250  # about one CSS pixel a unit on a small phone, so that labels stay readable there
LEFT, RIGHT, TOP, BOTTOM = 50, 12, 46, 40
COLOURS = 6
MAX_POINTS = 300
LARGEST = 1e100
_FLOW_LEFT, _FLOW_RIGHT, _ROW, _BAR = 100, 66, 34, 14  # of the funnel

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """One line; points in the order of x."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True)
class Scale:
    """Maps values to places on the picture."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round values (1, 2 or 5 times a power of ten apart) from at or below `low` to at or above `high`."""
    if high - low <= max(1e-9 * max(abs(low), abs(high)), 1e-200):  # one value, up to rounding
        margin = max(abs(low), abs(high)) * 0.5
        margin = margin if margin > 1e-100 else 0.5  # nothing but noise around zero
        low, high = low - margin, high + margin
    rough = (high - low) / count
    power: float = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [n * step for n in range(first, last + 1)]


def thin(points: Sequence[Point], limit: int = MAX_POINTS) -> list[Point]:
    """At most `limit` points: means of runs of neighbours. Values that are not finite, or too large to draw, are left out."""
    finite = [(x, y) for x, y in points if abs(x) <= LARGEST and abs(y) <= LARGEST]  # false for NaN
    run = math.ceil(len(finite) / limit) if finite else 1
    groups = [finite[i : i + run] for i in range(0, len(finite), run)]
    return [(group[-1][0], sum(y for _, y in group) / len(group)) for group in groups]


def _label(value: float) -> str:
    return f"{value:.0e}" if value and abs(value) < 1e-4 else f"{value:,.10g}"


def _text(x: float, y: float, text: str, anchor: str = "middle", css: str = "tick") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{css}">{escape(text)}</text>'


def points(rows: Sequence[Row], *keys: str) -> list[tuple[float, float]]:
    """Step and the number at a place of each row that has one."""
    return [(row["step"], dig(row, *keys)) for row in rows if is_number(row.get("step")) and is_number(dig(row, *keys))]


def _legend(names: Sequence[str]) -> str:
    parts, x = [], float(LEFT)
    for index, name in enumerate(names):
        parts.append(f'<rect x="{x:.1f}" y="25" width="12" height="4" class="fill c{index % COLOURS}"/>')
        parts.append(_text(x + 16, 31, name, "start"))
        x += 30 + 6.5 * len(name)
    return "".join(parts)


def _picture(title: str, description: str, height: int, body: str) -> Markup:
    # every text in `body` went through _text, which escapes it
    return Markup(
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(f"{title}. {description}")}">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>{_text(0, 13, title, 'start', 'chart-title')}{body}</svg>"
    )


def line_chart(title: str, series: Sequence[Series], x_label: str, y_label: str, border: tuple[float, str] | None = None) -> Markup | None:
    """Lines over a common x; `border` is a dashed vertical line with its words. None when there is nothing to draw."""
    lines = [Series(line.name, thin(line.points)) for line in series]
    lines = [line for line in lines if line.points]
    if not lines:
        return None
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    y_ticks = ticks(min(ys), max(ys))
    x_ticks = [x for x in ticks(min(xs), max(xs), 4) if x <= max(xs)]
    low = min(*xs, *x_ticks)
    x_scale = Scale(low, max(*xs, low + 1), LEFT, WIDTH - RIGHT)
    y_scale = Scale(y_ticks[0], y_ticks[-1], HEIGHT - BOTTOM, TOP)
    body = _axes(x_ticks, y_ticks, x_scale, y_scale, x_label, y_label)
    if border and x_scale.low <= border[0] <= x_scale.high:
        body += _border(x_scale(border[0]), border[1])
    for index, line in enumerate(lines):
        places = " ".join(f"{x_scale(x):.1f},{y_scale(y):.1f}" for x, y in line.points)
        body += f'<polyline points="{places}" class="line c{index % COLOURS}"/>'
        if len(line.points) == 1:
            x, y = line.points[0]
            body += f'<circle cx="{x_scale(x):.1f}" cy="{y_scale(y):.1f}" r="3" class="fill c{index % COLOURS}"/>'
    ends = "; ".join(f"{line.name}: {line.points[0][1]:.4g} to {line.points[-1][1]:.4g}" for line in lines)
    return _picture(title, ends, HEIGHT, body + _legend([line.name for line in lines]))


def _axes(x_ticks: list[float], y_ticks: list[float], x_scale: Scale, y_scale: Scale, x_label: str, y_label: str) -> str:
    bottom = HEIGHT - BOTTOM
    grid = [f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y_scale(y):.1f}" y2="{y_scale(y):.1f}" class="grid"/>' for y in y_ticks]
    labels = [_text(LEFT - 5, y_scale(y) + 4, _label(y), "end") for y in y_ticks]
    labels += [_text(x_scale(x), bottom + 15, _label(x), "end" if x_scale(x) > WIDTH - 30 else "middle") for x in x_ticks]
    labels.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, x_label))
    middle = (TOP + bottom) / 2
    labels.append(f'<g transform="rotate(-90 9 {middle:.1f})">{_text(9, middle, y_label)}</g>')
    return "".join((*grid, *labels))


def _border(x: float, words: str) -> str:
    return f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" class="border"/>' + _text(x + 4, TOP + 10, words, "start")


def scatter_chart(
    title: str, rows: Sequence[tuple[str, float, Sequence[float | None]]], names: Sequence[str], x_label: str, y_label: str
) -> Markup | None:
    """A point for each name at each row's x, the row's label above its highest point. None when there is nothing to draw."""
    drawn = [(label, x, [(i, y) for i, y in enumerate(ys) if y is not None and math.isfinite(y)]) for label, x, ys in rows]
    drawn = [row for row in drawn if row[2] and math.isfinite(row[1])]
    if not drawn:
        return None
    values = [y for _, _, group in drawn for _, y in group]
    x_ticks, y_ticks = ticks(0, max(x for _, x, _ in drawn), 4), ticks(min(0.0, *values), max(values))
    x_scale = Scale(x_ticks[0], x_ticks[-1], LEFT, WIDTH - RIGHT)
    y_scale = Scale(y_ticks[0], y_ticks[-1], HEIGHT - BOTTOM, TOP)
    body = _axes(x_ticks, y_ticks, x_scale, y_scale, x_label, y_label)
    for label, x, group in drawn:
        place, top = x_scale(x), min(y_scale(y) for _, y in group)
        body += "".join(f'<circle cx="{place:.1f}" cy="{y_scale(y):.1f}" r="3" class="fill c{i % COLOURS}"/>' for i, y in group)
        body += f'<g transform="rotate(-60 {place:.1f} {top - 6:.1f})">{_text(place, top - 6, label, "start", "value")}</g>'
    return _picture(title, f"{len(drawn)} points of {', '.join(names)}", HEIGHT, body + _legend(names))


def bar_chart(title: str, rows: Sequence[tuple[str, Sequence[float | None]]], names: Sequence[str], unit: str) -> Markup | None:
    """Horizontal bars from zero: a group for each row, a bar for each name. None when there is nothing to draw."""
    values = [v for _, group in rows for v in group if v is not None and math.isfinite(v)]
    if not values or max(values) <= 0:
        return None
    left, bar = max(90.0, min(150.0, 8 + 6.2 * max(len(label) for label, _ in rows))), 9
    group_height = len(names) * bar + 8
    height = TOP + group_height * len(rows) + 28
    scale = Scale(0, max(values), left, WIDTH - 48)
    body = ""
    for place, (label, group) in enumerate(rows):
        y = TOP + place * group_height
        body += _text(left - 5, y + len(names) * bar / 2 + 4, label, "end")
        for index, value in enumerate(group):
            if value is None or not math.isfinite(value):
                continue
            length = max(0.0, scale(value) - left)
            body += f'<rect x="{left:.1f}" y="{y + index * bar}" width="{length:.1f}" height="{bar - 1}" class="fill c{index % COLOURS}"/>'
            body += _text(left + length + 3, y + index * bar + 8, f"{value:,.0f}" if value >= 1000 else f"{value:.3g}", "start", "value")
    body += _text((left + WIDTH) / 2, height - 8, unit)
    return _picture(title, f"{len(rows)} groups of {', '.join(names)}", height, body + _legend(names))


def flow_chart(title: str, steps: Sequence[Row], languages: Sequence[str], unit: str = "documents") -> Markup | None:
    """A bar a step, a segment a language, as wide as its documents (or bytes); on the right what is left and what went."""
    counts = [[_count(step, unit, language) for language in languages] for step in steps]
    largest = max((sum(row) for row in counts), default=0)
    if len(counts) < 2 or not largest:
        return None
    scale = Scale(0, largest, _FLOW_LEFT, WIDTH - _FLOW_RIGHT)
    body = ""
    for place, (step, row) in enumerate(zip(steps, counts, strict=True)):
        y = TOP + place * _ROW
        body += _text(_FLOW_LEFT - 5, y + 11, str(step.get("step")), "end")
        body += _segments(row, scale, y)
        if place + 1 < len(counts):
            body += _bands(row, counts[place + 1], scale, y)
        gone = sum(counts[place - 1]) - sum(row) if place else 0
        body += _text(scale(sum(row)) + 4, y + 11, f"{sum(row):,.0f}{f' (−{gone:,.0f})' if gone > 0 else ''}", "start", "value")
    described = f"{sum(counts[0]):,.0f} {unit} at first, {sum(counts[-1]):,.0f} at last"
    return _picture(title, described, TOP + _ROW * len(counts), body + _legend(languages))


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
