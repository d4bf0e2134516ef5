"""Charts as self-contained SVG files, for pages and documents. They follow the reader's light or dark theme."""

from collections.abc import Mapping, Sequence
from html import escape

_COLOURS = ("#2563eb", "#dc7f1d", "#15926b", "#9a4bd1", "#c43d5d", "#6b7280")
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#555}.t{font-weight:600;font-size:14px}.m{font:15px ui-monospace,monospace;fill:#222}"
    ".n{font-size:9px}@media(prefers-color-scheme:dark){text{fill:#bbb}.m{fill:#eee}}"
)


def _picture(width: int, height: int, title: str, body: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
    return "\n".join((head, f"<title>{escape(title)}</title><style>{_STYLE}</style>", _text(8, 18, title, css="t"), *body, "</svg>\n"))


def _text(x: float, y: float, text: str, anchor: str = "start", css: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{css}">{escape(text)}</text>'


def _legend(names: Sequence[str], y: float = 36) -> list[str]:
    parts, x = [], 8.0
    for place, name in enumerate(names):
        parts += [f'<rect x="{x:.1f}" y="{y - 9}" width="10" height="10" fill="{_COLOURS[place % 6]}"/>', _text(x + 14, y, name)]
        x += 28 + 7 * len(name)
    return parts


def bars(title: str, rows: Mapping[str, Sequence[float | None]], names: Sequence[str], width: int = 640) -> str:
    """Horizontal bars from zero: a group for each row, a bar for each name; None leaves a gap."""
    left, bar, top = 8 + 7.2 * max(map(len, rows)), 11, 48
    most = max((value for row in rows.values() for value in row if value is not None), default=1.0)
    body = _legend(names)
    for place, (label, row) in enumerate(rows.items()):
        y = top + place * (bar * len(names) + 10)
        body.append(_text(left - 6, y + bar * len(names) / 2 + 4, label, "end"))
        for number, value in enumerate(row):
            if value is not None:
                length = value / most * (width - left - 60)
                body.append(
                    f'<rect x="{left:.1f}" y="{y + number * bar}" width="{length:.1f}" height="{bar - 2}" fill="{_COLOURS[number % 6]}"/>'
                )
                body.append(_text(left + length + 4, y + number * bar + 9, f"{value:#.3g}"))
    return _picture(width, top + len(rows) * (bar * len(names) + 10) + 8, title, body)


def lines(title: str, series: Mapping[str, Sequence[tuple[float, float]]], x_label: str, width: int = 640, height: int = 300) -> str:
    """Lines with a dot at each point; x in the order given, labelled at the points of the first line."""
    points = [point for line in series.values() for point in line]
    low_x, high_x = min(x for x, _ in points), max(x for x, _ in points)
    low, high = min(y for _, y in points), max(y for _, y in points)
    bottom, top = height - 44, 56

    def place(x: float, y: float) -> tuple[float, float]:
        return 50 + (x - low_x) / ((high_x - low_x) or 1) * (width - 110), bottom - (y - low) / ((high - low) or 1) * (bottom - top)

    body, labelled = _legend(list(series)), list[tuple[float, float]]()
    for number, line in enumerate(series.values()):
        colour, places = _COLOURS[number % 6], [place(x, y) for x, y in line]
        body.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}"/>'
        )
        for (x, y), (_, value) in zip(places, line, strict=True):
            body.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>')
            if all(abs(x - there) > 26 or abs(y - height_) > 12 for there, height_ in labelled):  # else it would cover another one's
                labelled.append((x, y))
                body.append(_text(x, y - 7, f"{value:.2f}", "middle"))
    body += [_text(place(x, low)[0], bottom + 18, f"{x:,.0f}", "middle") for x, _ in next(iter(series.values()))]
    return _picture(width, height, title, [*body, _text(width / 2, height - 8, x_label, "middle")])


def boxes(title: str, rows: Mapping[str, Sequence[tuple[str, int]]], width: int = 640) -> str:
    """Each row a text cut into coloured boxes; a number above 1 says how many tokens one box stands for."""
    left, letter, height, top = 12 + 7.2 * max(map(len, rows)), 9.0, 32, 34
    body = []
    for place, (label, row) in enumerate(rows.items()):
        x, y = left, top + place * height
        body.append(_text(left - 8, y + 17, label, "end"))
        for number, (text, tokens) in enumerate(row):
            size = letter * len(text) + 10 + (10 if tokens > 1 else 0)
            body.append(
                f'<rect x="{x:.1f}" y="{y}" width="{size:.1f}" height="25" rx="4" fill="{_COLOURS[number % 6]}" fill-opacity="0.28"/>'
            )
            body.append(_text(x + 5, y + 17, text.replace(" ", "\u2423"), css="m"))
            if tokens > 1:
                body.append(_text(x + size - 4, y + 21, str(tokens), "end", css="n"))
            x += size + 3
    return _picture(width, top + len(rows) * height + 6, title, body)
