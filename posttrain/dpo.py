"""The DPO stage: TRL's DPOTrainer from the SFT model, which is also the reference."""

from typing import Any

from rich import print as show

from kishi.jsonl import write_rows
from posttrain.chat_data import Example, load
from recipes.job import Job


def run(job: Job) -> dict[str, Any]:
    """Write `model/`, `metrics.jsonl` and `samples.jsonl`; facts hold preference measures on held-out pairs before and after."""
    from trl import DPOConfig, DPOTrainer

    from posttrain import answers, lengths, model_folder, training

    source, section = job.inputs["sft"] / "model", job.recipe.dpo
    training.prepare(job.hardware)
    model, tokenizer = model_folder.load(source)
    limit = min(section.max_length, model.config.max_position_embeddings)
    check = lengths.fitting(lengths.preference_forms, tokenizer, limit)
    data = load(job.inputs["chat-data"] / "preference", check, job.folder / "quarantine.jsonl")
    if data.warning:
        show(f"[yellow]![/] {data.warning}")
    config = DPOConfig(
        **training.arguments(job, section, limit, data, rows_an_example=2),
        beta=section.beta,
        loss_type=["sigmoid", "sft"],
        loss_weights=[1.0, section.sft_weight],
    )
    pairs = [_dataset(rows) if rows else None for rows in (data.train, data.heldout)]
    trainer = DPOTrainer(model=model, args=config, train_dataset=pairs[0], eval_dataset=pairs[1], processing_class=tokenizer)
    training.quiet(trainer)
    steps, heldout = _train_and_measure(trainer, job)
    model_folder.save(trainer.model, source, job.folder / "model")
    write_rows(job.folder / "samples.jsonl", answers.samples(trainer.model, tokenizer, dict(job.recipe.eval.prompts)))
    return {
        **data.facts,
        "max_length": limit,
        "heldout": heldout,
        "stop_rate": answers.stop_rate(trainer.model, tokenizer, [example["prompt"] for example in data.heldout]),
        "steps": steps,
    }


def _dataset(rows: list[Example]) -> Any:
    from datasets import Dataset

    return Dataset.from_list([{key: row[key] for key in ("prompt", "chosen", "rejected")} for row in rows])


def _train_and_measure(trainer: Any, job: Job) -> tuple[int, dict[str, Any] | None]:
    """(steps, measures after training with those before it under `before`; None when no pair is held out)."""
    from posttrain import preferences, training

    reference = preferences.likelihoods(trainer) if trainer.eval_dataset else None
    steps = training.train(trainer, job.folder, "dpo")
    if reference is None:
        return steps, None
    beta = job.recipe.dpo.beta
    after = preferences.measure(preferences.likelihoods(trainer), reference, beta)
    return steps, {**after, "before": preferences.measure(reference, reference, beta)}
