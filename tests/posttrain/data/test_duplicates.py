"""Near duplicates are found by similarity, within a kind."""

import random

import pytest

from posttrain.data.duplicates import Duplicates
from posttrain.data.example import Example


def _example(name: str, words: list[str], kind: str = "sft") -> Example:
    return {
        "kind": kind,
        "id": name,
        "messages": [{"role": "user", "content": words[0]}, {"role": "assistant", "content": " ".join(words[1:])}],
    }


@pytest.mark.parametrize(("changed", "least", "most"), [(1, 0.98, 1.0), (3, 0.7, 1.0), (12, 0.0, 0.02)])
def test_by_the_share_of_common_shingles(changed: int, least: float, most: float) -> None:
    """Of 120 words 1, 3 or 12 changed apart from each other: Jaccard similarity 0.95, 0.86, 0.53 of three-word shingles, against 0.8."""
    draw, found, duplicates = random.Random(1), 0, Duplicates(0.8, seed=1)
    for number in range(100):
        words = [f"w{draw.randrange(10**6)}" for _ in range(120)]
        other = [f"x{number}" if place % (120 // changed) == 5 else word for place, word in enumerate(words)]
        assert duplicates.fault(_example(f"a{number}", words)) is None
        fault = duplicates.fault(_example(f"b{number}", other))
        assert fault in (None, f"near-duplicate: of a{number}")
        found += fault is not None
    assert least <= found / 100 <= most, found


def test_kinds_are_apart_and_signs_count_where_there_are_no_words() -> None:
    duplicates = Duplicates(0.8, seed=1)
    words = [f"w{n}" for n in range(30)]
    assert duplicates.fault(_example("a", words)) is None
    assert duplicates.fault(_example("b", words, "tools")) is None
    assert duplicates.fault(_example("c", [words[0].upper(), *words[1:]])) == "exact-duplicate: of a"
    assert duplicates.fault(_example("d", ["?", "!!!"])) is None
    assert duplicates.fault(_example("e", ["?", "..."])) is None
    assert duplicates.fault(_example("f", ["?", "..."])) == "exact-duplicate: of e"
