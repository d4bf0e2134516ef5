"""What a finished phase says about itself in its manifest."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from kishi.checkpoints import whole
from kishi.jsonl import read_rows
from recipes.base import shape
from train.plan import SAMPLES_SEEN, Plan
from train.retention import best, mean_bits

_MEASURED = ("bits_per_byte", "bits_per_byte_dirty", "multiple_choice")


def facts(plan: Plan) -> dict[str, Any]:
    """See docs/pretraining.md for each key."""
    rows = list(read_rows(plan.folder / "metrics.jsonl"))
    steps = [row for row in rows if "loss" in row]
    measured = [row for row in rows if "bits_per_byte" in row]
    recipe = plan.recipe
    step_tokens = recipe.pretrain.global_batch_size * recipe.pretrain.sequence_length
    phase_tokens = (plan.last_step - plan.first_step) * step_tokens
    seconds = sum(row.get("seconds", 0) for row in rows)
    kept = whole(plan.checkpoints)
    return {
        "phase": plan.phase,
        "steps": plan.last_step,
        "tokens": plan.last_step * step_tokens,
        "phase_tokens": phase_tokens,
        "parameters": shape(recipe).parameters(recipe.tokenizer.vocab_size),
        "loss": {"first": steps[0]["loss"], "last": steps[-1]["loss"]},
        **{key: {"first": measured[0][key], "last": measured[-1][key]} for key in _MEASURED if key in measured[-1]},
        "skipped_steps": {str(row["step"]): row["skipped"] for row in rows if "skipped" in row},
        "checkpoints": {"kept": kept, "best": best(kept, mean_bits(rows))},
        "training_seconds": round(seconds, 1),
        "tokens_per_second": round(phase_tokens / seconds),
        "peak_memory_bytes": max(row["peak_memory_bytes"] for row in measured),
        "languages": languages_seen(plan),
        "sources": sources_planned(plan),
    }


def languages_seen(plan: Plan) -> dict[str, dict[str, float]]:
    """Tokens that the phase read of each language, counted from the samples of Megatron's data set, and how often that is its text."""
    seen = json.loads((plan.folder / SAMPLES_SEEN).read_bytes())
    there = _index_facts(plan.index)["train"][plan.recipe.pretrain.phases[plan.phase - 1].tier]
    tokens: Counter[str] = Counter()
    for prefix, samples in seen.items():
        tokens[Path(prefix).name.partition("-")[0]] += samples * plan.recipe.pretrain.sequence_length
    return {language: {"tokens": count, "epochs": round(count / there[language]["tokens"], 3)} for language, count in tokens.items()}


def sources_planned(plan: Plan) -> list[dict[str, Any]]:
    """Epochs of each source, as the index stage worked them out from the weights of the blend."""
    rows = _index_facts(plan.index).get("epochs", [])
    return [{key: row[key] for key in ("source", "tokens", "epochs")} for row in rows if row["phase"] == plan.phase]


def _index_facts(index: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((index / "manifest.json").read_bytes())["facts"]
    return found
