"""The DPO stage: TRL's DPOTrainer, or KTOTrainer, from the SFT model, which is also the reference."""

from typing import Any

from kishi.jsonl import write_rows
from kishi.rank import is_main
from posttrain import launch
from recipes.job import Job


def run(job: Job) -> dict[str, Any]:
    """Write `model/`, `metrics.jsonl` and `samples.jsonl`; facts hold preference measures on held-out pairs before and after."""
    return launch.run(job, "posttrain.dpo:train", job.recipe.dpo.batch_size)


def train(job: Job) -> dict[str, Any]:
    """The same in one of the processes; empty facts in all but the first."""
    from posttrain import adapters, answers, examples, lengths, model_folder, pairs, training

    source, section = job.inputs["sft"] / "model", job.recipe.dpo
    training.prepare(job.hardware)
    model, tokenizer = model_folder.load(source)
    limit = min(section.max_length, model.config.max_position_embeddings)
    data = examples.read(job, "preference", lengths.fitting(lengths.preference_forms, tokenizer, limit))
    heldout = pairs.tokenised(tokenizer, data.heldout)
    prompts = [pair["prompt"] for pair in data.heldout]
    trainer = (_kto if section.method == "kto" else _dpo)(job, model, tokenizer, data.train, limit)
    answered_before = answers.of_prompts(model, tokenizer, prompts) if is_main() else None
    steps, measured = _train_and_measure(trainer, job, heldout if data.heldout else None)
    if not is_main():
        return {}
    trained = adapters.facts(trainer.model, section.lora)
    model = adapters.merged(trainer.model)
    model_folder.save(model, source, job.folder / "model")
    write_rows(job.folder / "samples.jsonl", answers.samples(model, tokenizer, dict(job.recipe.eval.prompts)))
    answered = answers.of_prompts(model, tokenizer, prompts)
    return {
        **data.facts,
        "max_length": limit,
        "method": section.method,
        "loss": section.loss if section.method == "dpo" else "kto",
        "reference_free": section.reference_free,
        "beta": section.beta,
        "heldout": measured,
        "stop_rate": answered.stop_rate if answered else None,
        "answer_tokens": {"before": answered_before.tokens, "after": answered.tokens} if answered and answered_before else None,
        "steps": steps,
        "processes": job.hardware.world_size,
        **trained,
    }


def _dpo(job: Job, model: Any, tokenizer: Any, train: list[Any], limit: int) -> Any:
    from trl import DPOConfig, DPOTrainer

    from posttrain import adapters, pairs, training
    from posttrain.reference_free import ReferenceFree

    section = job.recipe.dpo
    steps = training.steps_in(len(train), section.epochs, section.batch_size)
    config = DPOConfig(
        **training.arguments(job, section, steps, section.batch_size, limit, sequences=2),
        max_length=limit,
        beta=section.beta,
        loss_type=[section.loss, "sft"],
        loss_weights=[1.0, section.sft_weight],
        precompute_ref_log_probs=section.reference_free,
    )
    kind = ReferenceFree if section.reference_free else DPOTrainer
    trainer = kind(
        model=model,
        args=config,
        train_dataset=pairs.paired(train),
        processing_class=tokenizer,
        peft_config=adapters.config(section.lora),
    )
    training.keep_order(trainer, section.batch_size)
    return trainer


def _kto(job: Job, model: Any, tokenizer: Any, train: list[Any], limit: int) -> Any:
    """A step has both answers of `batch_size` pairs, in a random order: how far the model went is estimated from prompts with answers to
    others, and these must differ."""
    from trl import KTOConfig, KTOTrainer

    from posttrain import adapters, pairs, training

    section = job.recipe.dpo
    steps, rows = training.steps_in(len(train), section.epochs, section.batch_size), 2 * section.batch_size
    config = KTOConfig(**training.arguments(job, section, steps, rows, limit), max_length=limit, beta=section.beta)
    return KTOTrainer(
        model=model,
        args=config,
        train_dataset=pairs.unpaired(train, rows, job.recipe.seed),
        processing_class=tokenizer,
        peft_config=adapters.config(section.lora),
    )


def _train_and_measure(trainer: Any, job: Job, heldout: Any) -> tuple[int, dict[str, Any] | None]:
    """(steps, measures after training with those before it under `before`; None without held-out pairs, and in other processes)."""
    from posttrain import preferences, training

    if heldout is None or not is_main():
        return training.train(trainer, job.folder, "dpo"), None
    bf16, section = job.hardware.precision == "bf16", job.recipe.dpo
    before = preferences.likelihoods(trainer.model, heldout, bf16)
    reference = before.nowhere() if section.reference_free else before

    def measure() -> dict[str, Any]:
        return preferences.measure(preferences.likelihoods(trainer.model, heldout, bf16), reference, section.beta)

    def row() -> dict[str, Any]:
        return {f"heldout_{name}": value for name, value in measure().items() if name in ("accuracy", "margin", "loss")}

    steps = training.train(trainer, job.folder, "dpo", row)
    return steps, {**measure(), "before": preferences.measure(before, reference, section.beta)}
