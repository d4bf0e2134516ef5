"""Does a training corpus hold a task's text? `python -m eval.leaks TASK_FILE CORPUS... [--column NAME]`

A row has leaked when one document holds a run of 13 of its words (GPT-3's measure, Brown and others 2020, C), or all of them when it has
5 to 12. Documents are those of JSON Lines (`text`), plain or .zst; folders are searched. Exit code 1 when a row has leaked. Each is printed
with the document that holds it.
"""

import argparse
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from kishi.command import command
from kishi.errors import DataError
from kishi.jsonl import read_rows, write_json

LENGTH = 13
SHORT = 5  # words; a shorter text is an everyday phrase
_NOT_TEXT = {"id", "lang", "source", "license", "task", "kind", "split", "label", "subject", "src_lang", "tgt_lang"}

Gram = tuple[str, ...]


def words(text: str) -> list[str]:
    """Small letters, no marks."""
    return re.findall(r"\w+", text.lower())


def texts(row: dict[str, Any], column: str | None = None) -> list[str]:
    """The strings of a row, also in lists and turns; with `column` that one only."""
    values = [row.get(column)] if column else [value for key, value in row.items() if key not in _NOT_TEXT]
    found: list[str] = []
    for value in values:
        for part in value if isinstance(value, list) else [value]:
            part = part.get("content") if isinstance(part, dict) else part
            found += [part] if isinstance(part, str) else []
    return found


class Texts:
    """The rows of a task, ready to be looked for."""

    def __init__(self, rows: Iterable[dict[str, Any]], column: str | None = None) -> None:
        self.rows = self.checked = 0
        self._grams: dict[int, dict[Gram, set[int]]] = defaultdict(lambda: defaultdict(set))  # length -> run -> rows
        for number, row in enumerate(rows):
            runs = [found for text in texts(row, column) if len(found := words(text)) >= SHORT]
            self.rows, self.checked = self.rows + 1, self.checked + bool(runs)
            for found in runs:
                for gram in _runs(found, min(LENGTH, len(found))):
                    self._grams[len(gram)][gram].add(number)

    def in_document(self, text: str) -> dict[int, str]:
        """Rows of which the document holds a run: number -> that run."""
        spoken, found = words(text), dict[int, str]()
        for length, known in self._grams.items():
            for gram in _runs(spoken, length):
                for number in known.get(gram, ()):
                    found.setdefault(number, " ".join(gram))
        return found


def _runs(spoken: Sequence[str], length: int) -> Iterator[Gram]:
    return (tuple(spoken[at : at + length]) for at in range(len(spoken) - length + 1))


def documents(corpus: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """(file:line, text). Raises DataError when there is no file."""
    files = [file for path in corpus for file in ([path] if path.is_file() else sorted(path.rglob("*.jsonl*")))]
    if not files:
        raise DataError("no .jsonl or .jsonl.zst file", where=", ".join(map(str, corpus)), fix="name files or folders of the corpus")
    for file in files:
        for number, row in enumerate(read_rows(file), 1):
            yield f"{file}:{number}", str(row.get("text", ""))


def search(task: Path, corpus: Sequence[Path], column: str | None = None) -> dict[str, Any]:
    """`leaked`: a line each, the first document that holds the row; rows too short to tell are counted."""
    if not task.is_file():
        raise DataError("no such file", where=task, fix="name a task file")
    rows = list(read_rows(task))
    sought, leaked, count = Texts(rows, column), dict[int, dict[str, Any]](), 0
    for place, text in documents(corpus):
        count += 1
        for number, run in sought.in_document(text).items():
            leaked.setdefault(number, {"line": number + 1, "id": rows[number].get("id", ""), "document": place, "words": run})
    counts = {"rows": sought.rows, "checked": sought.checked, "too_short": sought.rows - sought.checked, "documents": count}
    return {"task": str(task), **counts, "leaked": [leaked[number] for number in sorted(leaked)]}


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 nothing found, 1 a row has leaked or a file cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m eval.leaks", description=__doc__)
    parser.add_argument("task", type=Path)
    parser.add_argument("corpus", type=Path, nargs="+")
    parser.add_argument("--column", help="only this column of the task; default: all with text")
    parser.add_argument("--out", type=Path, help="write what is found as JSON")
    options = parser.parse_args(arguments)
    found = search(options.task, options.corpus, options.column)
    if options.out:
        write_json(options.out, found)
    for row in found["leaked"]:
        print(json.dumps(row, ensure_ascii=False))
    print(
        f"{len(found['leaked'])} of {found['checked']} rows are in {found['documents']} documents ({found['too_short']} too short to tell)",
        file=sys.stderr,
    )
    return 1 if found["leaked"] else 0


if __name__ == "__main__":
    sys.exit(main())
