"""The recipe's `chat`: what cannot be is refused, and what makes which stage stale."""

from pathlib import Path
from typing import Any

import pytest

from kishi.errors import RecipeError
from recipes.loading import load_recipe
from recipes.schema import Recipe
from recipes.stages import chain

TINY = Path("recipes/kishi-tiny.yaml")


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        (["chat.sources.0.corpus=sample"], "give one of path, hub, corpus"),
        (["chat.sources.0.path=null"], "give one of path, hub, corpus"),
        (["chat.sources.0.path=null", "chat.sources.0.corpus=sample"], "documents of the corpus serve kind titles, not sft"),
        (["chat.sources.1.name=sample-sft"], "names must differ"),
        (
            ["chat.sources.4.corpus=wikipedia", "chat.sources.4.path=null", "chat.sources.4.kind=titles"],
            "no source wikipedia in data.sources",
        ),
        (["chat.sources=[{name: a, path: a, license: MIT, kind: tools}]"], "none of kind sft, parallel or titles"),
        (["chat.sources=[{name: a, path: a, license: MIT, kind: sft}]", "chat.make.pairs=0"], "none of kind preference"),
        (["chat.sources.0.kind=chat"], "'sft', 'preference', 'tools', 'parallel' or 'titles'"),
        (["chat.sources=[{name: a, hub: {dataset: b/c}, license: MIT, kind: sft}]"], "needs revision"),
        (["chat.make.directions=7"], "less than or equal to 6"),
    ],
)
def test_refused(sets: list[str], words: str) -> None:
    with pytest.raises(RecipeError) as found:
        load_recipe(TINY, sets)
    assert words in str(found.value)


def _section(stage: str, *sets: str) -> dict[str, Any]:
    recipe: Recipe = load_recipe(TINY, sets)
    return chain(recipe)[stage].section(recipe)


def test_pretraining_data_is_stale_only_by_what_it_is_compared_with() -> None:
    """A run of days must not begin anew because chat data is weighed otherwise; files are seen by their content besides."""
    before = _section("data")
    for same in ("chat.sources.0.weight=3", "chat.sources.0.license=MIT", "chat.make.pairs=0.5", "chat.near_duplicate_similarity=0.9"):
        assert _section("data", same) == before, same
        assert _section("chat-data", same) != _section("chat-data"), same
        assert _section("sft", same) == _section("sft"), same
    for other in ("chat.sources.0.path=other.jsonl", "chat.heldout=0", "chat.folder=x"):
        assert _section("data", other) != before, other
