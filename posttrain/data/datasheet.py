"""The stage's page about its data: what is in it, from where, under which licence, and what went."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from posttrain.data.selection import MORE
from recipes.schema import Recipe
from recipes.schema_chat import ChatSource


def summary(facts: dict[str, Any]) -> str:
    """One line."""
    kinds = (f"{kind} {counts.get('train rows', 0)} + {counts.get('heldout', 0)} held out" for kind, counts in facts["examples"].items())
    went = sum(count for reason, count in facts["removed"].items() if reason != MORE)
    return f"chat data: {', '.join(kinds)}; {went} rows left out"


def write(path: Path, recipe: Recipe, facts: dict[str, Any]) -> None:
    """Markdown, from the facts alone: the same bytes for the same data."""
    lines = [f"# Chat data of {recipe.name}", "", summary(facts) + ".", ""]
    lines += _table(["source", "place", "kind", "weight", "licence", "kept", "made", "refused", "removed"], _sources(recipe, facts))
    for kind, found in facts["kinds"].items():
        if found:
            lines += [f"## {kind}", "", _counts(facts["examples"][kind]), ""]
            lines += [f"- {name}: {_counts(counts)}" for name, counts in found.items()] + [""]
    lines += ["## Rows left out", "", "Each with its line and reason in `quarantine.jsonl` (refused) or `removed.jsonl.zst`.", ""]
    lines += _table(["reason", "rows"], [[reason, count] for reason, count in facts["removed"].items()])
    compared = ", ".join(f"{name} ({count})" for name, count in facts["decontaminated_against"].items())
    lines += [f"Compared with what is evaluated: {compared}.", ""]
    path.write_text("\n".join(lines), encoding="utf-8")


def _sources(recipe: Recipe, facts: dict[str, Any]) -> list[list[object]]:
    rows: list[list[object]] = []
    for source in recipe.chat.sources:
        counts, licences = facts["sources"].get(source.name, {}), facts["licenses"].get(source.name, {})
        told = source.license or "; ".join(licences)
        rows.append([source.name, place_of(source), source.kind, f"{source.weight:g}", told, *(counts.get(key, 0) for key in _COUNTED)])
    return rows


_COUNTED = ("kept", "made", "refused", "removed")


def place_of(source: ChatSource) -> str:
    """Where it is read from, with the commit of a hub data set."""
    if source.hub:
        return f"{source.hub.dataset}@{source.hub.revision or 'local'}"
    return str(source.path) if source.path else f"corpus of {source.corpus}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _table(head: list[str], rows: Sequence[Sequence[object]]) -> list[str]:
    lines: list[Sequence[object]] = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines] + [""]
