"""Every text that the recipe evaluates on: what `decontaminate.py` keeps out of training."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from data_prep.normalise import normalise
from kishi.errors import DataError
from kishi.jsonl import read_rows
from kishi.languages import LANGUAGES
from recipes.schema import Recipe

# columns of the other kinds of task (docs/evaluation.md) whose text is kept out of training
_PAIRS = ("wrong", "right", "source_text", "target_text", *LANGUAGES)
_TEXTS = ("text", "passage", "premise", "choice1", "choice2", "sentence1", "sentence2", *_PAIRS)
CHAT = "chat:"  # names of sets of conversations begin so


def evaluation_texts(recipe: Recipe) -> dict[str, list[str]]:
    """Per set its texts: tasks of `eval`, and examples of SFT and DPO, a part of which is held out.

    Raises DataError when one cannot be read: a check that is skipped looks like a check that found nothing.
    """
    found = {task.name: _read(task.name, Path(task.file), task.columns) for task in recipe.eval.tasks if task.file}
    chats = [section.path for section in (recipe.sft, recipe.dpo) if section.heldout]
    chats += [path for path in (recipe.eval.chat.translation, recipe.eval.chat.conversations) if path] if recipe.eval.chat else []
    return found | {name: _read(name, Path(path), {}) for path in chats for name in [f"{CHAT}{Path(path).name}"]}


def _read(name: str, path: Path, columns: Mapping[str, str]) -> list[str]:
    """`columns`: our name of a column -> the file's."""
    fix = "training text cannot be checked against it; mend the path, or take the set out of the recipe"
    try:
        texts = [normalise(text) for row in read_rows(path) for text in _texts(row, columns)]  # as documents are
    except FileNotFoundError:
        raise DataError(f"evaluation set {name}: no such file", where=path, fix=fix) from None
    except (ValueError, OSError) as error:
        raise DataError(f"evaluation set {name}: not readable ({error})", where=path, fix=fix) from None
    if not texts:
        raise DataError(f"evaluation set {name}: no text in it", where=path, fix=fix)
    return texts


def _texts(row: Any, columns: Mapping[str, str]) -> Iterator[str]:
    """A task's question with its right answer, its other texts, and each turn of a conversation or preference pair."""
    if not isinstance(row, dict):
        raise ValueError(f"a row is not an object: {json.dumps(row)[:80]}")
    row = {**row, **{ours: row[theirs] for ours, theirs in columns.items() if theirs in row}}
    yield from (row[key] for key in _TEXTS if isinstance(row.get(key), str))
    if "question" in row:
        choices, answer = row.get("choices") or [], row.get("answer")
        yield f"{row['question']} {choices[answer]}" if isinstance(answer, int) and answer < len(choices) else str(row["question"])
        yield str(row["question"])
    for key in ("messages", "prompt", "chosen", "rejected"):
        value = row.get(key)
        yield from [value] if isinstance(value, str) else [str(turn["content"]) for turn in value or () if turn.get("content")]
