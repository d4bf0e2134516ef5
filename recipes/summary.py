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
    console.print(_models(facts["models"]))
    _print_samples(console, run)
    console.print(f"\nReport: [bold]{(run / 'report' / 'index.html').resolve()}[/]")


def _stages(run: Path) -> Table:
    table = Table("stage", "seconds", "MB", "files")
    for folder in sorted((f for f in run.iterdir() if (f / manifest.FILE_NAME).is_file()), key=lambda f: manifest.read(f).started):
        found = manifest.read(folder)
        size = sum(output.bytes for output in found.outputs) / 1e6
        table.add_row(found.kind, f"{found.seconds:.0f}", f"{size:.1f}", str(len(found.outputs)))
    return table


def _models(models: dict[str, Any]) -> Table:
    languages = list(next(iter(models.values()))["bits_per_byte"])
    tasks = sorted({task for row in models.values() for task in row.get("tasks") or {}})
    table = Table("model", *[f"bits/byte {language}" for language in languages], *tasks, "MB", "tokens/s")
    for name, row in models.items():
        accuracies = [(row.get("tasks") or {}).get(task, {}).get("acc") for task in tasks]
        table.add_row(
            name,
            *[f"{row['bits_per_byte'][language]:.3f}" for language in languages],
            *["" if acc is None else f"{acc:.3f}" for acc in accuracies],
            f"{row['bytes'] / 1e6:.1f}" if row.get("bytes") else "",
            f"{row['tokens_per_second']:.0f}" if row.get("tokens_per_second") else "",
        )
    return table


def _print_samples(console: Console, run: Path) -> None:
    path = run / "eval" / "samples.jsonl"
    rows = [row for row in read_rows(path) if row["model"].startswith("gguf-")] if path.is_file() else []
    last = [row for row in rows if row["model"] == rows[-1]["model"]]
    for row in last:
        if row is last[0]:
            console.print(f"\n{row['model']} answers:")
        console.print(f"  {row['lang']}: {escape(row['prompt'])} → {escape(row['text'])}{'' if row['stopped'] else ' …'}")
