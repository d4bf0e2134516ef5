"""Licences of sources whose rows carry their own: read from the corpus that was trained on."""

from collections import defaultdict
from dataclasses import replace

from kishi.jsonl import read_rows
from report.licences import Licence
from report.lineage import Lineage

EACH_ROW = "each row's"  # what the data stage notes for them


def each_rows(run: Lineage, rows: list[Licence]) -> list[Licence]:
    """The same list; a row a licence that occurs for a source that has one each row. Reads the corpus only if there is such a source."""
    if not any(row.licence == EACH_ROW for row in rows):
        return rows
    named = {row.name for row in rows}
    seen: dict[str, set[str]] = defaultdict(set)
    for path in sorted((run.folder / "data" / "corpus").rglob("*.jsonl.zst")):
        for row in read_rows(path):
            if row["source"] not in named or any(known.name == row["source"] and known.licence == EACH_ROW for known in rows):
                seen[row["source"]].add(str(row["license"]))
    found = [Licence("text", name, licence) for name, licences in sorted(seen.items()) for licence in sorted(licences)]
    return [row for row in rows if row.licence != EACH_ROW] + (found or [replace(rows[0], licence="", name="rows of the corpus")])
