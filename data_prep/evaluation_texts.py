"""Every text that the recipe evaluates on: what `decontaminate.py` keeps out of training."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data_prep.normalise import normalise
from kishi.errors import DataError
from kishi.jsonl import read_rows
from recipes.schema import Recipe

CHAT = "chat:"  # names of sets of conversations begin so


def evaluation_texts(recipe: Recipe) -> dict[str, list[str]]:
    """Per set its texts: tasks of `eval`, and examples of SFT and DPO, a part of which is held out.

    Raises DataError when one cannot be read: a check that is skipped looks like a check that found nothing.
    """
    sets = {task.name: Path(task.path) for task in recipe.eval.tasks}
    sets |= {f"{CHAT}{Path(section.path).name}": Path(section.path) for section in (recipe.sft, recipe.dpo) if section.heldout}
    return {name: _read(name, path) for name, path in sets.items()}


def _read(name: str, path: Path) -> list[str]:
    fix = "training text cannot be checked against it; mend the path, or take the set out of the recipe"
    try:
        texts = [normalise(text) for row in read_rows(path) for text in _texts(row)]  # as documents are
    except FileNotFoundError:
        raise DataError(f"evaluation set {name}: no such file", where=path, fix=fix) from None
    except (ValueError, OSError) as error:
        raise DataError(f"evaluation set {name}: not readable ({error})", where=path, fix=fix) from None
    if not texts:
        raise DataError(f"evaluation set {name}: no text in it", where=path, fix=fix)
    return texts


def _texts(row: Any) -> Iterator[str]:
    """A task's question with its right answer, each turn of a conversation or preference pair, and other strings of a row's own."""
    if not isinstance(row, dict):
        raise ValueError(f"a row is not an object: {json.dumps(row)[:80]}")
    if "question" in row:
        choices, answer = row.get("choices") or [], row.get("answer")
        yield f"{row['question']} {choices[answer]}" if isinstance(answer, int) and answer < len(choices) else str(row["question"])
        yield str(row["question"])
    for key in ("messages", "prompt", "chosen", "rejected"):
        value = row.get(key)
        yield from [value] if isinstance(value, str) else [str(turn["content"]) for turn in value or () if turn.get("content")]
