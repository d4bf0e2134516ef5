"""What the chat models were trained on: examples, sources, and rows that were left out."""

from report.collect import Run
from report.view import Section, Table, dig, number, table_of


def chat_data(run: Run) -> Section:
    """From the facts of the chat-data stage."""
    section, facts = Section("chat-data", "Chat data"), run.facts("chat-data")
    rows = []
    for kind, counts in table_of(facts.get("examples")).items():
        about = table_of(dig(facts, "kinds", kind))
        cells = [number(counts.get("train", 0)), number(counts.get("heldout", 0))]
        rows.append([kind, *cells, _list(about.get("languages train")), _list(about.get("tasks"))])
    section.add(Table("Examples", ["kind", "training", "held out", "languages", "tasks"], rows))
    sources = table_of(facts.get("sources"))
    columns = ("kept", "made", "refused", "removed")
    counted = [[name, *(number(counts.get(column, 0)) for column in columns)] for name, counts in sources.items()]
    section.add(Table("Sources", ["source", *columns], counted))
    went = [[reason, number(count)] for reason, count in table_of(facts.get("removed")).items()]
    section.add(Table("Rows left out, by reason", ["reason", "rows"], went))
    return section


def _list(counts: object) -> str:
    return ", ".join(f"{name} {number(count)}" for name, count in table_of(counts).items())
