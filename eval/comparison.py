"""Figures of several results side by side: `python -m eval.comparison A/results.json B/results.json`

Refuses figures of different questions: another version of a task, or other documents under the same name.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kishi.command import command
from kishi.errors import ArtefactError

Described = Mapping[str, Mapping[str, Any]]
MAIN = ("bits_per_sentence", "bits_per_byte", "chrf", "f1", "exact_match", "acc")  # the first that a task has stands for it


def refuse_other_versions(known: Described, new: Described, where: object) -> None:
    """Raises ArtefactError when a task of the same name has another version or other documents."""
    versions = {label.partition("@")[0]: label for label in known}
    for label, described in new.items():
        name = label.partition("@")[0]
        if (other := versions.get(name, label)) != label:
            fix = f"measure both with the same version of {name}"
            raise ArtefactError(f"{label} and {other} are different questions", where=where, fix=fix)
        if label in known and known[label]["documents_sha256"] != described["documents_sha256"]:
            fix = f"measure both with the same file and limit, and raise the task's `version` when {name}'s rows change"
            raise ArtefactError(f"{label} has other documents under the same version", where=where, fix=fix)


def main_figure(figures: Mapping[str, Any]) -> str | None:
    """The one that stands for a task in a table."""
    return next((name for name in MAIN if name in figures), None)


def cell(figures: Mapping[str, Any]) -> str:
    """The main figure with its interval, and a mark at what no reader should take for skill."""
    name = main_figure(figures)
    if name is None:
        return ", ".join(f"{key} {value}" for key, value in figures.items() if isinstance(value, float)) or "-"
    interval = figures.get(f"{name}_interval")
    text = f"{name} {figures[name]:.4g}" + (f" [{interval[0]:.4g}, {interval[1]:.4g}]" if interval else "")
    if figures.get("beats_constant") is False:
        text += " (no better than a constant answer)"
    if figures.get("lossy_texts"):
        text += f" (lossy tokenizer on {figures['lossy_texts']} texts: not comparable)"
    return text


def table(results: Mapping[str, Any]) -> str:
    """Markdown: a line a task, a column a model; the last columns say what needs no model, and whether the text was trained on."""
    models = results["models"]
    head = ["task", *models, "guessing or constant", "decontamination"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for label, described in results["tasks"].items():
        own = [row["tasks"].get(label) for row in models.values()]
        states = sorted({figures["decontamination"] for figures in own if figures})
        cells = [cell(figures) if figures else "-" for figures in own]
        lines.append(f"| {' | '.join([label, *cells, _baseline(described), ', '.join(states)])} |")
    return "\n".join(lines) + "\n"


def _baseline(described: Mapping[str, Any]) -> str:
    if "random" in described:
        return f"{max(described['random'], described['majority']):.4g}"
    found = {name: value for name, value in described.get("baselines", {}).items() if isinstance(value, Mapping)}
    return ", ".join(f"{name} {cell(value)}" for name, value in found.items())


def merged(files: Sequence[Path]) -> dict[str, Any]:
    """Models of all files in one table, each named after its file where two have the same name."""
    result: dict[str, Any] = {"models": {}, "tasks": {}}
    for file in files:
        try:
            found = json.loads(file.read_bytes())
            rows = {name: row for name, row in found["models"].items() if row.get("tasks")}
        except (OSError, ValueError, KeyError) as error:
            raise ArtefactError(f"no results of an evaluation ({error})", where=file, fix="name a results.json") from error
        refuse_other_versions(result["tasks"], found["tasks"], file)
        result["tasks"] |= found["tasks"]
        result["models"] |= {name if name not in result["models"] else f"{file.parent.name}/{name}": row for name, row in rows.items()}
    return result


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m eval.comparison", description=__doc__)
    parser.add_argument("results", type=Path, nargs="+")
    print(table(merged(parser.parse_args(arguments).results)), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
