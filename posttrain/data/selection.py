"""The examples that are left: without duplicates, at most as many of a source as the recipe says, and what is made of them."""

import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kishi.draws import draw
from kishi.jsonl import read_rows
from posttrain.data.duplicates import Duplicates
from posttrain.data.example import Example
from posttrain.data.making import made_of
from posttrain.data.split import KINDS
from recipes.schema import Recipe

MORE = "more than asked for"  # by the source's `most`


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
                    self.removed[name] = MORE

    def _read(self) -> Iterator[Example]:
        for shard in self.shards:
            yield from read_rows(shard)

    def removed_rows(self) -> Iterator[dict[str, Any]]:
        """What was good by itself and goes, for the file that says so."""
        for example in self._read():
            if why := self.removed.get(example["id"]):
                told = {key: example[key] for key in ("kind", "id", "lang", "source")} if why == MORE else example
                yield {**told, "reason": why}

    def examples(self) -> Iterator[Example]:
        """What is trained on, always in the same order."""
        for example in self._read():
            if example["id"] in self.removed:
                continue
            if example["kind"] in KINDS:
                yield example
            yield from made_of(example, self.recipe.chat.make, self.recipe.seed)
