"""The table at the end of `all`: what was made and what was measured, from the manifests."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kishi import manifest
from kishi.jsonl import read_rows


def print_summary(console: Console, run: Path) -> None:
    """Stages, models, one generated sentence a language from the last quantised model of the table, and the report's path."""
    console.rule("what was made", align="left")
    console.print(_stages(run))
    facts = manifest.read(run / "eval").facts
    console.print(_models(facts))
    _print_samples(console, run)
    console.print(f"\nReport: [bold]{(run / 'report' / 'index.html').resolve()}[/]")


def _stages(run: Path) -> Table:
    table = Table("stage", "seconds", "MB", "files")
    for folder in sorted((f for f in run.iterdir() if (f / manifest.FILE_NAME).is_file()), key=lambda f: manifest.read(f).started):
        found = manifest.read(folder)
        size = sum(output.bytes for output in found.outputs) / 1e6
        table.add_row(found.kind, f"{found.seconds:.0f}", f"{size:.1f}", str(len(found.outputs)))
    return table


def _models(facts: dict[str, Any]) -> Table:
    """A row a model, narrow enough for 80 columns."""
    models = facts["models"]
    languages = list(next(iter(models.values()))["bits_per_byte"])
    tasks = list(dict.fromkeys(_parts(label)[0] for label, task in facts["tasks"].items() if "random" in task))
    heads = [f"{task}\n{' '.join(languages)}" for task in tasks]
    table = Table(
        "model", *[f"bits/byte\n{languages[0]}", *languages[1:]], *heads, "MB", "tok/s", caption=_caption(facts), caption_justify="left"
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for name, row in models.items():
        table.add_row(
            name,
            *[f"{row['bits_per_byte'][language]:.3f}" for language in languages],
            *[_accuracies(row.get("tasks"), task, languages) for task in tasks],
            f"{row['bytes'] / 1e6:.1f}" if row.get("bytes") else "",
            f"{row['tokens_per_second']:,}" if row.get("bytes") else "",
        )
    return table


def _accuracies(figures: dict[str, Any] | None, task: str, languages: list[str]) -> str:
    """Of a choice, in the order of the languages; empty for a language that the task has not."""
    own = {_parts(label)[1]: found["acc"] for label, found in (figures or {}).items() if _parts(label)[0] == task and "acc" in found}
    return " ".join(f"{100 * own[language]:2.0f}" if language in own else "--" for language in languages) if own else ""


def _parts(label: str) -> tuple[str, str]:
    """(name, language) of `name_language@version`."""
    name, _, language = label.partition("@")[0].rpartition("_")
    return name, language


def _caption(facts: dict[str, Any]) -> str:
    """What the figures are, with the chance and the widest 95 % interval of the choices."""
    text = "bits/byte: of held-out text, lower is better. tok/s: reading it."
    rows = [figures for row in facts["models"].values() for figures in (row.get("tasks") or {}).values()]
    found = [figures for figures in rows if "acc_interval" in figures]
    if not found:
        return text
    half = max((figures["acc_interval"][1] - figures["acc_interval"][0]) / 2 for figures in found)
    chance = max(task["random"] for task in facts["tasks"].values() if "random" in task)
    return f"{text}\nMultiple choice: % right, chance {100 * chance:.0f}, +-{100 * half:.0f} with 95 % confidence."


def _print_samples(console: Console, run: Path) -> None:
    path = run / "eval" / "samples.jsonl"
    rows = [row for row in read_rows(path) if row["model"].startswith("gguf-")] if path.is_file() else []
    last = [row for row in rows if row["model"] == rows[-1]["model"]]
    for row in last:
        if row is last[0]:
            console.print(f"\n{row['model']} answers:")
        console.print(f"  {row['lang']}: {escape(row['prompt'])} → {escape(row['text'])}{'' if row['stopped'] else ' …'}")
