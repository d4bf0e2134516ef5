"""Calibration text: rows of tokens from the training corpus, each language by its share."""

import json
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path

from tokenizers import Tokenizer

from kishi.errors import DataError
from kishi.jsonl import read_rows
from kishi.languages import Language
from kishi.special_tokens import END_OF_TEXT, ids_in
from recipes.job import Job
from recipes.schema_quantize import Calibration

Rows = dict[Language, list[list[int]]]
Tokenize = Callable[[str], list[int]]


def rows(job: Job, model: Path, section: Calibration | None = None) -> Rows:
    """Per language. `section`: amounts other than the recipe's `quantize.calibration`; the mix is always the recipe's.

    Documents are laid one after another, each after an end-of-text token, as in pretraining, and cut into rows of equal length.
    """
    section = section or job.recipe.quantize.calibration
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    length = min(section.length, int(json.loads((model / "config.json").read_bytes())["max_position_embeddings"]))
    start = ids_in(model)[END_OF_TEXT]

    def tokenize(text: str) -> list[int]:
        return [start, *tokenizer.encode(text, add_special_tokens=False).ids]

    counts = {language: max(1, round(section.tokens * share / length)) for language, share in job.recipe.calibration_mix.items()}
    return {language: _cut(job.inputs["data"], language, tokenize, length, count) for language, count in counts.items()}


def flat(found: Rows) -> list[list[int]]:
    """All rows, the languages in turn, so that any first part has something of each."""
    return [row for turn in zip_longest(*found.values()) for row in turn if row is not None]


def tokens(found: Rows) -> dict[Language, int]:
    """Tokens per language, for the record: fewer than asked for where the corpus ends."""
    return {language: sum(map(len, parts)) for language, parts in found.items()}


def _cut(data: Path, language: Language, tokenize: Tokenize, length: int, count: int) -> list[list[int]]:
    found: list[list[int]] = []
    left: list[int] = []
    for text in _documents(data, language):
        left += tokenize(text)
        while len(left) >= length and len(found) < count:
            found.append(left[:length])
            left = left[length:]
        if len(found) == count:
            return found
    if not found:
        raise DataError(f"the corpus in {language} has no {length} tokens for calibration", where=data, fix="more text, or another mix")
    return found


def _documents(data: Path, language: Language) -> Iterator[str]:
    """The first of each file in turn, then the second of each, so that a little text has something of every shard."""
    for tier in ("clean", "dirty"):
        if files := sorted((data / "corpus" / tier).glob(f"{language}*.jsonl.zst")):
            for turn in zip_longest(*map(read_rows, files)):
                yield from (row["text"] for row in turn if row is not None)
            return
