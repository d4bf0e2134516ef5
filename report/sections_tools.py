"""The section about function calling: shares of right answers before and after, and of the quantised files."""

from typing import Any

from report.charts import Series, line_chart, points
from report.collect import Run
from report.view import Chart, Section, Table, dig, number, percent, table_of

SPLITS = {"seen": "known tools, new wording", "unseen": "tools never trained on", "sources": "conversations of the chat sources"}
FIGURES = {
    "ast": "right calls",
    "irrelevance": "no call where none fits",
    "missing_argument": "asks for what is missing",
    "right": "all kinds",
}


def function_calling(run: Run) -> Section:
    """Empty when the stage has not run."""
    section, facts = Section("tools", "Function calling"), run.facts("tools")
    found = table_of(facts.get("heldout"))
    if not found:
        return section
    rows = []
    for split, name in SPLITS.items():
        for figure, words in FIGURES.items():
            if dig(found, "splits", split, figure) is not None:
                before = percent(dig(found, "before", "splits", split, figure))
                shares = [percent(dig(found, "splits", split, "languages", language, figure)) for language in run.recipe.languages]
                rows.append([name, words, before, percent(dig(found, "splits", split, figure)), *shares])
    section.add(Table("Right answers to held-out conversations", ["", "", "before", "after", *run.recipe.languages], rows))
    kinds = table_of(dig(found, "splits", "seen", "kinds"))
    per_kind = [
        [kind, percent(row.get("right")), percent(dig(found, "splits", "unseen", "kinds", kind, "right")), number(row.get("n"))]
        for kind, row in kinds.items()
    ]
    section.add(Table("By kind", ["kind", "known tools", "tools never trained on", "n (known)"], per_kind))
    section.add(_broken(run, found))
    losses = run.rows("tools", "metrics.jsonl")
    chart = line_chart(
        "Function calling: loss",
        [Series("training", points(losses, "loss")), Series("held out", points(losses, "heldout_loss"))],
        "step",
        "nats per token",
    )
    section.add(Chart(chart) if chart else None)
    return section


def _broken(run: Run, found: dict[str, Any]) -> Table:
    """Calls that cannot be read, and those against their schema; of GGUF files without and with a grammar."""
    rows = [["before", *_shares(table_of(found.get("before")))], ["after", *_shares(found)]]
    for name, model in table_of(dig(run.value("eval", "results.json"), "models")).items():
        for mode, table in table_of(dig(model, "tool_calls")).items():
            rows.append([f"{name}, {mode}", *_shares(table_of(table))])
    heads = ["model", "cannot be read", "against the schema", "right, known tools", "n"]
    return Table("Answers with broken calls", heads, rows)


def _shares(table: dict[str, Any]) -> list[str]:
    right = percent(dig(table, "splits", "seen", "right"))
    return [percent(table.get("malformed")), percent(table.get("invalid")), right, number(table.get("n"))]
