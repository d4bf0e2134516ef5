"""The texts of a set that is evaluated on: what training text and chat examples are compared with."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kishi.errors import DataError
from kishi.jsonl import read_rows
from kishi.languages import LANGUAGES


def read_texts(name: str, path: Path) -> list[str]:
    """Every text of a file's rows. Raises DataError when there is none: a check that is skipped looks like a check that found nothing."""
    fix = "training text cannot be checked against it; mend the path, or take the set out of the recipe"
    try:
        texts = [text for row in read_rows(path) for text in texts_of(row)]
    except FileNotFoundError:
        raise DataError(f"evaluation set {name}: no such file", where=path, fix=fix) from None
    except (ValueError, OSError) as error:
        raise DataError(f"evaluation set {name}: not readable ({error})", where=path, fix=fix) from None
    if not texts:
        raise DataError(f"evaluation set {name}: no text in it", where=path, fix=fix)
    return texts


def texts_of(row: Any) -> Iterator[str]:
    """A task's question with its right answer, each turn of a conversation or preference pair, a parallel row's text in each language."""
    if not isinstance(row, dict):
        raise ValueError(f"a row is not an object: {json.dumps(row)[:80]}")
    if "question" in row:
        choices, answer = row.get("choices") or [], row.get("answer")
        yield f"{row['question']} {choices[answer]}" if isinstance(answer, int) and answer < len(choices) else str(row["question"])
        yield str(row["question"])
    for key in ("messages", "prompt", "chosen", "rejected", *LANGUAGES):
        value = row.get(key)
        yield from [value] if isinstance(value, str) else [str(turn["content"]) for turn in value or () if turn.get("content")]
