"""The GRPO stage (off by default): TRL's GRPOTrainer on tasks that a program can check, from the DPO model."""

import math
from collections.abc import Sequence
from typing import Any

from kishi.jsonl import write_rows
from kishi.rank import is_main
from kishi.special_tokens import TURN_END
from posttrain import launch
from posttrain.verifiable import Task, make
from recipes.job import Job


def run(job: Job) -> dict[str, Any]:
    """Write `model/`, `metrics.jsonl` and `samples.jsonl`; facts hold the checks on tasks that were not trained on, before and after."""
    assert job.recipe.grpo is not None  # the stage is in the chain only where the recipe has the section
    return launch.run(job, "posttrain.grpo:train", job.recipe.grpo.batch_size)


def train(job: Job) -> dict[str, Any]:
    """The same in one of the processes; empty facts in all but the first."""
    from posttrain import adapters, answers, model_folder, training, verifiable

    source, section = job.inputs["dpo"] / "model", job.recipe.grpo
    assert section is not None  # the stage is in the chain only where the recipe has the section
    training.prepare(job.hardware)
    model, tokenizer = model_folder.load(source)
    heldout = make(section.tasks, job.recipe.languages, section.heldout, job.recipe.seed + 1)
    tasks = make(section.tasks, job.recipe.languages, section.examples, job.recipe.seed, leave_out=heldout)
    trainer = _trainer(job, model, tokenizer, tasks)

    def measure(chosen: Sequence[Task] = heldout) -> dict[str, float]:
        found = answers.answers(trainer.model, tokenizer, [task.row["prompt"] for task in chosen], section.answer_tokens)
        trainer.model.train()
        return verifiable.measure(chosen, [answer.text for answer in found], [answer.stopped for answer in found])

    before = measure() if is_main() else {}
    steps = training.train(trainer, job.folder, "grpo", lambda: {f"heldout_{name}": value for name, value in measure().items()})
    if not is_main():
        return {}
    languages = dict.fromkeys(task.lang for task in heldout)
    by_language = {language: measure([task for task in heldout if task.lang == language]) for language in languages}
    after, trained = measure(), adapters.facts(trainer.model, section.lora)
    model = adapters.merged(trainer.model)
    model_folder.save(model, source, job.folder / "model")
    write_rows(job.folder / "samples.jsonl", answers.samples(model, tokenizer, dict(job.recipe.eval.prompts)))
    return {
        "examples": {"train": len(tasks), "heldout": len(heldout)},
        "license": "Apache-2.0 (made by posttrain/verifiable.py)",
        "heldout": {**after, "before": before, "by_language": by_language},
        "steps": steps,
        "processes": job.hardware.world_size,
        **trained,
    }


def _trainer(job: Job, model: Any, tokenizer: Any, tasks: list[Task]) -> Any:
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    from posttrain import adapters, training, verifiable

    section = job.recipe.grpo
    assert section is not None
    steps = math.ceil(section.epochs * len(tasks) * section.generations / section.batch_size)
    config = GRPOConfig(
        **training.arguments(job, section, steps, section.batch_size, 2 * section.answer_tokens) | {"include_num_input_tokens_seen": "no"},
        num_generations=section.generations,
        max_completion_length=section.answer_tokens,
        temperature=section.temperature,
        beta=section.beta,
    )
    return GRPOTrainer(
        model=model,
        reward_funcs=verifiable.reward_functions(tokenizer.convert_tokens_to_ids(TURN_END)),
        args=config,
        train_dataset=Dataset.from_list([task.row for task in tasks]),
        processing_class=tokenizer,
        peft_config=adapters.config(section.lora),
    )
