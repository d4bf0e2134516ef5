"""The examples that are left: without duplicates, at most as many of a source as the recipe says, and what is made of them."""

import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kishi.draws import draw
from kishi.jsonl import read_rows
from posttrain.data.duplicates import Duplicates
from posttrain.data.example import Example
from posttrain.data.split import KINDS
from recipes.schema import Recipe


class Selection:
    """Reads the shards of the first step once to decide, and then as often as it is asked."""

    def __init__(self, recipe: Recipe, shards: list[Path]) -> None:
        self.recipe, self.shards = recipe, shards
        self.removed: dict[str, str] = {}  # name of an example -> why it goes
        self._decide()

    def _decide(self) -> None:
        duplicates = Duplicates(self.recipe.chat.near_duplicate_similarity, self.recipe.seed)
        kept: dict[str, list[tuple[float, str]]] = {}
        for example in self._read():
            if fault := duplicates.fault(example):
                self.removed[example["id"]] = fault
            else:
                kept.setdefault(example["source"], []).append((draw(example["id"], self.recipe.seed), example["id"]))
        for source in self.recipe.chat.sources:
            names = kept.get(source.name, [])
            if source.most and len(names) > source.most:
                for _, name in heapq.nlargest(len(names) - source.most, names):
                    self.removed[name] = f"over the most: {source.most} of this source are asked for"

    def _read(self) -> Iterator[Example]:
        for shard in self.shards:
            yield from read_rows(shard)

    def removed_rows(self) -> Iterator[dict[str, Any]]:
        """What was good by itself and goes, for the file that says so."""
        for example in self._read():
            if why := self.removed.get(example["id"]):
                yield {**example, "reason": why}

    def examples(self) -> Iterator[Example]:
        """What is trained on, always in the same order."""
        for example in self._read():
            if example["id"] not in self.removed and example["kind"] in KINDS:
                yield _flagged(example)


def _flagged(example: Example) -> Example:
    """A pair says whether its answers are about as long as each other: a judge could not go by length there."""
    if example["kind"] != "preference":
        return example
    sizes = sorted(sum(len(turn["content"]) for turn in example[side]) for side in ("chosen", "rejected"))
    return {**example, "length_matched": sizes[1] <= MATCHED * sizes[0]}


MATCHED = 1.25  # times the shorter answer's characters
