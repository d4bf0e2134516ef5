"""What post-training was taught with: examples by kind and language, their sources and licences, and what was left out."""

from collections.abc import Mapping
from typing import Any

from report.charts import bar_chart
from report.collect import Run
from report.view import Chart, Note, Section, Table, dig, is_number, number, table_of

_SIDES = ("train", "heldout")
_TASKS = 12  # of a chart at most


def chat_data(run: Run) -> Section:
    """From the facts of the chat-data stage."""
    section, facts = Section("chat-data", "Chat data"), run.facts("chat-data")
    kinds = table_of(facts.get("kinds"))
    rows = []
    for kind, counts in table_of(facts.get("examples")).items():
        by_language = [_sides(table_of(kinds.get(kind)), language) for language in run.recipe.languages]
        rows.append([kind, *(number(dig(counts, side)) for side in _SIDES), *by_language])
    section.add(
        Table("Examples, and of each language (training + held out)", ["kind", "training", "held out", *run.recipe.languages], rows)
    )
    for kind, counts in kinds.items():
        tasks = sorted(((name, n) for name, n in table_of(dig(counts, "tasks")).items() if is_number(n)), key=lambda item: -item[1])
        chart = bar_chart(f"What the {kind} examples ask for", [(name, [n]) for name, n in tasks[:_TASKS]], [kind], "examples")
        section.add(Chart(chart) if chart else None)
    section.add(_sources(facts))
    removed = table_of(facts.get("removed"))
    section.add(Table("Rows left out, by reason", ["reason", "rows"], [[reason, number(count)] for reason, count in removed.items()]))
    if compared := table_of(facts.get("decontaminated_against")):
        listed = ", ".join(f"{name} ({number(count)})" for name, count in compared.items())
        section.add(Note(f"No example repeats a text that models are measured on: {listed}."))
    return section


def _sides(counts: Mapping[str, Any], language: str) -> str:
    return " + ".join(number(dig(counts, f"languages {side}", language) or 0) for side in _SIDES)


def _sources(facts: Mapping[str, Any]) -> Table:
    licences = table_of(facts.get("licenses"))
    keys = ("kept", "made", "refused", "removed")
    rows = [
        [name, ", ".join(table_of(licences.get(name))) or "not recorded", *(number(dig(counts, key) or 0) for key in keys)]
        for name, counts in table_of(facts.get("sources")).items()
    ]
    return Table("Sources: rows kept, examples made, rows refused as faulty, good ones removed", ["source", "licence", *keys], rows)
