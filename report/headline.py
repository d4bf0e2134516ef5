"""The figures that a run is judged by, under names that stay the same: for the first slide and for comparing two states of a run."""

from collections.abc import Mapping

from kishi.manifest import Manifest
from report.view import dig, is_number, table_of

LOWER, HIGHER, NEITHER = -1, 1, 0  # which way is better


def headline(manifests: Mapping[str, Manifest]) -> dict[str, tuple[float, int]]:
    """Name -> value and which way is better, of all stages that have run."""
    found: dict[str, tuple[float, int]] = {}

    def add(name: str, value: object, better: int) -> None:
        if is_number(value):
            found[name] = (float(value), better)

    facts = {stage: made.facts for stage, made in manifests.items()}
    for language, row in table_of(dig(facts, "tokenizer", "fertility")).items():
        add(f"tokens per word {language}", dig(row, "tokens_per_word"), LOWER)
    for stage in ("pretrain-phase1", "pretrain-phase2"):
        add(f"{stage}: tokens", dig(facts, stage, "tokens"), NEITHER)
        for language, value in table_of(dig(facts, stage, "bits_per_byte", "last")).items():
            add(f"{stage}: bits per byte {language}", value, LOWER)
    add("sft: held-out loss", dig(facts, "sft", "heldout_loss", "after"), LOWER)
    for stage in ("dpo", "reward"):
        add(f"{stage}: preference accuracy", dig(facts, stage, "heldout", "accuracy"), HIGHER)
    for stage in ("sft", "dpo"):
        add(f"{stage}: answers that stop", dig(facts, stage, "stop_rate"), HIGHER)
    for model, row in table_of(dig(facts, "eval", "models")).items():
        for language, value in table_of(dig(row, "bits_per_byte")).items():
            add(f"{model}: bits per byte {language}", value, LOWER)
        for task, score in table_of(dig(row, "tasks")).items():
            add(f"{model}: {task}", dig(score, "acc"), HIGHER)
    return found


def final_model(manifests: Mapping[str, Manifest]) -> str | None:
    """The evaluation's name of the last model of the way: the smallest quantised one, else the last."""
    models = table_of(dig({stage: made.facts for stage, made in manifests.items()}, "eval", "models"))
    return next(reversed(list(models)), None)
