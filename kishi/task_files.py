"""Reads the files of evaluation tasks: JSON Lines whose columns may have other names, each bad line named by its number.

A test set must be whole: where training data goes on without a bad line, here it is an error.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from kishi.errors import DataError
from kishi.jsonl import open_bytes

_FIX = "mend the line; see docs/evaluation.md"


@dataclass(frozen=True)
class TaskFile:
    """`columns`: our name -> the file's; `where`: values that a row must have, in the file's names; `languages`: those wanted."""

    path: Path
    languages: Sequence[str]
    columns: Mapping[str, str] = field(default_factory=dict)
    where: Mapping[str, str] = field(default_factory=dict)

    def rows[Model: BaseModel](self, model: type[Model]) -> Iterator[Model]:
        """Rows of all languages. Raises DataError at a missing file or the first bad line."""
        for number, row in self._objects():
            try:
                yield model.model_validate(self._renamed(row))
            except ValidationError as error:
                first = error.errors()[0]
                place = ".".join(map(str, first["loc"]))
                raise DataError(f"{place} {first['msg']}".strip(), where=f"{self.path}:{number}", fix=_FIX) from error

    def by_language[Model: BaseModel](self, model: type[Model]) -> dict[str, list[Model]]:
        """Rows by their `lang`, in the wanted order. Raises DataError too when a wanted language has none."""
        found: dict[str, list[Model]] = {language: [] for language in self.languages}
        for row in self.rows(model):
            found.setdefault(row.lang, []).append(row)  # type: ignore[attr-defined]
        for language in self.languages:
            if not found[language]:
                there = ", ".join(sorted(name for name, rows in found.items() if rows)) or "nothing"
                fix = f"the file has {there}: say so in the task's `languages`, add rows, or take the task out of eval.tasks"
                raise DataError(f"no question in {language}", where=self.path, fix=fix)
        return {language: found[language] for language in self.languages}

    def _objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        if not self.path.is_file():
            raise DataError("no such file", where=self.path, fix="mend eval.tasks in the recipe")
        with open_bytes(self.path) as stream:
            for number, line in enumerate(stream, 1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line.decode("utf-8"))
                except ValueError as error:
                    raise DataError(f"not valid JSON: {error}", where=f"{self.path}:{number}", fix=_FIX) from error
                if not isinstance(row, dict):
                    raise DataError("not a JSON object", where=f"{self.path}:{number}", fix=_FIX)
                if all(str(row.get(key)) == value for key, value in self.where.items()):
                    yield number, row

    def _renamed(self, row: dict[str, Any]) -> dict[str, Any]:
        """Our names beside the file's; a file of one language need not say which."""
        renamed = {**row, **{ours: row[theirs] for ours, theirs in self.columns.items() if theirs in row}}
        if "lang" not in renamed and len(self.languages) == 1:
            renamed["lang"] = self.languages[0]
        return renamed


def spread[Item](items: Sequence[Item], limit: int | None) -> list[Item]:
    """At most `limit`, evenly over the whole: files are often sorted by difficulty or source."""
    count = min(limit or len(items), len(items))
    return [items[number * len(items) // count] for number in range(count)]
