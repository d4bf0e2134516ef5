"""The chat model's smaller forms side by side (stage `eval-quantized`)."""

from collections.abc import Iterator, Sequence
from typing import Any

from report.charts import scatter_chart
from report.view import NONE, Block, Chart, Note, Table, dig, is_number, number, percent, size, table_of


def compared(results: Any, languages: Sequence[str]) -> Iterator[Block]:
    """Tables, the picture of size against loss, and what was the same for all."""
    rows = {name: table_of(row) for name, row in table_of(table_of(results).get("models")).items()}
    if not rows:
        return
    head = ["form", "size", "bits/weight", *(f"bits/byte {la}" for la in languages), *(f"rise {la} [95 %]" for la in languages)]
    yield Table("What rounding costs: bits per byte of held-out text, and their rise against BF16", head, list(_losses(rows, languages)))
    points = [
        (name, row["bytes"] / 1e6, [dig(row, "rise_percent", la, "rise") for la in languages])
        for name, row in rows.items()
        if is_number(row.get("bytes"))
    ]
    picture = scatter_chart("Size against loss", points, languages, "megabytes on disk", "rise of bits per byte, %")
    if picture:
        yield Chart(picture)
    yield Table(*_speeds(rows, languages))
    if tasks := list(dict.fromkeys(task for row in rows.values() for task in table_of(row.get("tasks")))):
        cells = [[name, *(percent(dig(row, "tasks", task, "acc")) for task in tasks)] for name, row in rows.items()]
        yield Table("Multiple choice, share of right answers", ["form", *tasks], cells)
    if any(table_of(row.get("tools")) for row in rows.values()):
        parts = ("right", "malformed", "invalid")
        calls = [
            [name, number(dig(row, "tools", "n")), *(percent(dig(row, "tools", part)) for part in parts)] for name, row in rows.items()
        ]
        yield Table("Function calls: right answers, and calls that cannot be read or do not fit the schema", ["form", "n", *parts], calls)
    counts = ", ".join(
        f"{la} {number(count)} ({number(dig(results, 'tokens', la))} tokens)"
        for la, count in table_of(table_of(results).get("documents")).items()
    )
    yield Note(f"The same tokenizer, questions and held-out documents ({counts}) for all; intervals are paired over documents.")


def _losses(rows: dict[str, dict[str, Any]], languages: Sequence[str]) -> Iterator[list[str]]:
    for name, row in rows.items():
        bits = [number(dig(row, "bits_per_byte", la), 4) for la in languages]
        rises = [_rise(dig(row, "rise_percent", la)) for la in languages]
        yield [name, size(row.get("bytes")), number(row.get("bits_per_weight"), 2), *bits, *rises]


def _rise(value: Any) -> str:
    if not is_number(dig(value, "rise")):
        return NONE
    text, interval = f"{value['rise']:+.2f} %", value.get("interval")
    return f"{text} [{interval[0]:+.2f}, {interval[1]:+.2f}]" if isinstance(interval, list) and len(interval) == 2 else text


def _speeds(rows: dict[str, dict[str, Any]], languages: Sequence[str]) -> tuple[str, list[str], list[list[str]]]:
    """Caption, head and rows; a column of the GPU only where something ran there."""
    devices = list(dict.fromkeys(device for row in rows.values() for device in table_of(row.get("tokens_per_second"))))
    first = languages[0]
    head = ["form", *(f"{what} ({device})" for device in devices for what in ("tokens/s", f"{first} words/s", "peak memory"))]
    cells = []
    for name, row in rows.items():
        cells.append([name])
        for device in devices:
            cells[-1].append(number(dig(row, "tokens_per_second", device), 1))
            cells[-1].append(number(dig(row, "words_per_second", first, device), 1))
            cells[-1].append(size(dig(row, "peak_memory_bytes", device)))
    caption = "Speed of writing and memory, each in a process of its own (llama.cpp for GGUF and qat, transformers for the others)"
    return caption, head, cells
