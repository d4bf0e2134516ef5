"""The texts of a set that is evaluated on: what training text and chat examples are compared with."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kishi.errors import DataError
from kishi.jsonl import read_rows
from kishi.languages import LANGUAGES
from kishi.rows import Rejected, file_rows

# columns of the tasks that are no questions (docs/evaluation.md)
_TEXTS = ("text", "passage", "premise", "choice1", "choice2", "sentence1", "sentence2", "wrong", "right", "source_text", "target_text")

_ABOUT = {"id", "group", "lang", "language", "task", "kind", "why", "source", "license", "tier", "role", "from", "type", "name", "tools"}


def read_texts(name: str, path: Path, columns: Mapping[str, str] | None = None) -> list[str]:
    """Every text of a file's rows; `columns`: our name of a column -> the file's.

    Raises DataError when there is none: a check that is skipped looks like a check that found nothing.
    """
    fix = "training text cannot be checked against it; mend the path, or take the set out of the recipe"
    try:
        texts = [text for row in read_rows(path) for text in texts_of(_renamed(row, columns or {}))]
    except FileNotFoundError:
        raise DataError(f"evaluation set {name}: no such file", where=path, fix=fix) from None
    except (ValueError, OSError) as error:
        raise DataError(f"evaluation set {name}: not readable ({error})", where=path, fix=fix) from None
    if not texts:
        raise DataError(f"evaluation set {name}: no text in it", where=path, fix=fix)
    return texts


def read_examples(name: str, path: Path, endings: tuple[str, ...]) -> list[str]:
    """Every text of chat examples in any layout, of a file or of a folder's files. Rows that cannot be read are passed over: no example
    comes of them.

    Raises DataError when there is none, as `read_texts`.
    """
    fix = "training text cannot be checked against its examples; mend chat.sources or chat.folder"
    if not path.exists():
        raise DataError(f"{name}: no such file or folder", where=path, fix=fix)
    files = [path] if path.is_file() else [file for file in sorted(path.rglob("*")) if file.name.endswith(endings)]
    items = (item for file in files for item in file_rows(file))
    texts = [text for item in items if not isinstance(item, Rejected) for text in strings_in(item[2])]
    if not texts:
        raise DataError(f"{name}: no text in it", where=path, fix=fix)
    return texts


def strings_in(value: Any) -> Iterator[str]:
    """All strings of a row, however deep, but for what is said about the example rather than in it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in _ABOUT:
                yield from strings_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings_in(inner)


def _renamed(row: Any, columns: Mapping[str, str]) -> Any:
    return {**row, **{ours: row[theirs] for ours, theirs in columns.items() if theirs in row}} if isinstance(row, dict) else row


def texts_of(row: Any) -> Iterator[str]:
    """A task's question with its right answer and its other texts, each turn of a conversation or preference pair, a parallel row's text
    in each language.
    """
    if not isinstance(row, dict):
        raise ValueError(f"a row is not an object: {json.dumps(row)[:80]}")
    yield from (row[key] for key in _TEXTS if isinstance(row.get(key), str))
    if "question" in row:
        choices, answer = row.get("choices") or [], row.get("answer")
        yield f"{row['question']} {choices[answer]}" if isinstance(answer, int) and answer < len(choices) else str(row["question"])
        yield str(row["question"])
    for key in ("messages", "prompt", "chosen", "rejected", *LANGUAGES):
        value = row.get(key)
        yield from [value] if isinstance(value, str) else [str(turn["content"]) for turn in value or () if turn.get("content")]
