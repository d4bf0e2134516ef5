"""The reward stage: TRL's RewardTrainer from the SFT model, on preference pairs; then DPO's answers against SFT's, by that model."""

from typing import Any

from kishi.rank import is_main
from posttrain import launch
from posttrain.chat_data import Example
from recipes.job import Job


def run(job: Job) -> dict[str, Any]:
    """Write `model/` (one number for a conversation), `metrics.jsonl` and `comparison.jsonl`; facts hold its measures on held-out pairs."""
    assert job.recipe.reward is not None  # the stage is in the chain only where the recipe has the section
    return launch.run(job, "posttrain.reward:train", job.recipe.reward.batch_size)


def train(job: Job) -> dict[str, Any]:
    """The same in one of the processes; empty facts in all but the first."""
    from posttrain import adapters, examples, lengths, model_folder, pairs, reward_measures, training

    source, section = job.inputs["sft"] / "model", job.recipe.reward
    assert section is not None  # the stage is in the chain only where the recipe has the section
    training.prepare(job.hardware)
    model, tokenizer = model_folder.load_scorer(source, job.recipe.seed)
    limit = min(job.recipe.dpo.max_length, model.config.max_position_embeddings)
    data = examples.read(job, "preference", lengths.fitting(lengths.preference_forms, tokenizer, limit))
    trainer = _trainer(job, model, tokenizer, data.train, limit)

    def measure() -> dict[str, Any]:
        found = reward_measures.measure(*_scores(trainer.model, tokenizer, data.heldout, job))
        return {f"heldout_{name}": value for name, value in found.items()}

    steps = training.train(trainer, job.folder, "reward", measure if data.heldout else None)
    if not is_main():
        return {}
    trained = adapters.facts(trainer.model, section.lora)
    model = adapters.merged(trainer.model)
    heldout = None
    if data.heldout:
        tokenised = pairs.tokenised(tokenizer, data.heldout)
        tokens = (tokenised.tokens("chosen"), tokenised.tokens("rejected"))
        heldout = reward_measures.report(data.heldout, _scores(model, tokenizer, data.heldout, job), tokens)
    model_folder.save_scorer(model, source, job.folder / "model")
    return {
        **data.facts,
        "max_length": limit,
        "heldout": heldout,
        "comparison": _comparison(job, model, tokenizer, data.heldout),
        "steps": steps,
        "processes": job.hardware.world_size,
        **trained,
    }


def _trainer(job: Job, model: Any, tokenizer: Any, train: list[Example], limit: int) -> Any:
    from trl import RewardConfig, RewardTrainer

    from posttrain import adapters, pairs, training

    section = job.recipe.reward
    assert section is not None
    steps = training.steps_in(len(train), section.epochs, section.batch_size)
    config = RewardConfig(
        **training.arguments(job, section, steps, section.batch_size, limit, sequences=2),
        max_length=limit,
        center_rewards_coefficient=section.center or None,
    )
    trainer = RewardTrainer(
        model=model,
        args=config,
        train_dataset=pairs.paired(train),
        processing_class=tokenizer,
        peft_config=adapters.config(section.lora, task="SEQ_CLS", whole=("score",)),
    )
    training.keep_order(trainer, section.batch_size)
    return trainer


def _scores(model: Any, tokenizer: Any, heldout: list[Example], job: Job) -> tuple[Any, Any]:
    """Of the chosen and of the rejected answers."""
    from posttrain.scoring import scores

    bf16 = job.hardware.precision == "bf16"
    chosen, rejected = (
        scores(model, tokenizer, [pair["prompt"] + pair[side] for pair in heldout], bf16) for side in ("chosen", "rejected")
    )
    return chosen, rejected


def _comparison(job: Job, scorer: Any, tokenizer: Any, heldout: list[Example]) -> dict[str, Any] | None:
    """What the reward model says of SFT's and DPO's answers to held-out prompts, and of the best of several; None without prompts."""
    from kishi.jsonl import write_rows
    from posttrain import answers, best_of_n, model_folder
    from posttrain.scoring import answered, scores

    section, prompts = job.recipe.reward, [pair["prompt"] for pair in heldout]
    assert section is not None
    prompts, bf16 = prompts[: section.prompts], job.hardware.precision == "bf16"
    if not prompts:
        return None

    def judged(found: list[answers.Answer]) -> Any:
        return scores(scorer, tokenizer, [answered(p, a.text) for p, a in zip(prompts, found, strict=True)], bf16)

    greedy, several = {}, None
    for stage in ("sft", "dpo"):
        model, _ = model_folder.load(job.inputs[stage] / "model")
        model.to(scorer.device)
        greedy[stage] = answers.answers(model, tokenizer, prompts)
        if stage == "dpo" and section.best_of > 1:
            several = answers.sampled(model, tokenizer, prompts, section.best_of, section.temperature, job.recipe.seed)
    given = {stage: judged(found) for stage, found in greedy.items()}
    rows = [
        {"prompt": prompt, **{stage: {"text": greedy[stage][at].text, "score": round(float(given[stage][at]), 4)} for stage in greedy}}
        for at, prompt in enumerate(prompts)
    ]
    write_rows(job.folder / "comparison.jsonl", rows)
    best = None
    if several:
        import torch

        columns = [judged([samples[at] for samples in several]) for at in range(section.best_of)]
        best = best_of_n.best_against_one(torch.stack(columns, 1))
    return {
        "prompts": len(prompts),
        "dpo_over_sft": best_of_n.win_rate(given["dpo"], given["sft"]),
        "answer_tokens": {stage: round(sum(a.tokens for a in found) / len(found), 2) for stage, found in greedy.items()},
        "scores": {stage: round(float(values.mean()), 4) for stage, values in given.items()},
        "best_of_n": best,
    }
