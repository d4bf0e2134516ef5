"""How often training sees each source: what the blend's weights and the recipe's steps come to."""

from collections.abc import Iterator, Mapping
from typing import Any

from recipes.schema import Recipe

MANY = 4  # repeating text up to four times costs little, more gains little (arXiv 2305.16264)


def epochs_per_source(recipe: Recipe, tokens: Mapping[str, Mapping[str, int]]) -> list[dict[str, Any]]:
    """One row a phase and source: tokens there are, tokens trained on, epochs. `tokens`: tier -> source -> tokens."""
    weights = {source.name: source.weight for source in recipe.data.sources}
    pretrain, rows = recipe.pretrain, []
    for number, phase in enumerate(pretrain.phases, 1):
        sources = tokens.get(phase.tier, {})
        trained = phase.steps * pretrain.global_batch_size * pretrain.sequence_length
        whole = sum(weights[name] * count for name, count in sources.items())
        for name, count in sources.items():
            share = weights[name] * count / whole
            rows.append({"phase": number, "source": name, "tokens": count, "trained": round(trained * share)})
            rows[-1]["epochs"] = round(trained * share / count, 2)
    return rows


def warnings(rows: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each source that a phase repeats too often."""
    for row in rows:
        if row["epochs"] > MANY:
            yield f"phase {row['phase']} sees source {row['source']} {row['epochs']} times; beyond {MANY} repetition stops helping"
