"""The SFT stage: TRL's SFTTrainer, loss on the assistant's turns only."""

from typing import Any

from rich import print as show

from kishi.errors import DataError
from kishi.jsonl import write_rows
from kishi.special_tokens import TURN_END
from posttrain.chat_data import load
from recipes.job import Job


def run(job: Job) -> dict[str, Any]:
    """Write `model/`, `metrics.jsonl` and `samples.jsonl`; facts hold the held-out loss before and after, and the stop rate."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    from posttrain import answers, lengths, model_folder, training

    source, section = job.inputs["export-hf"] / "phase2", job.recipe.sft
    training.prepare(job.hardware)
    model, tokenizer = model_folder.load(source)
    limit = min(section.max_length, model.config.max_position_embeddings)
    check = lengths.fitting(lengths.conversation_forms, tokenizer, limit)
    data = load(job.inputs["chat-data"] / "sft", check, job.folder / "quarantine.jsonl")
    if data.warning:
        show(f"[yellow]![/] {data.warning}")
    config = SFTConfig(**training.arguments(job, section, limit, data), assistant_only_loss=True)
    sets = [Dataset.from_list([{"messages": e["messages"]} for e in rows]) if rows else None for rows in (data.train, data.heldout)]
    trainer = SFTTrainer(model=model, args=config, train_dataset=sets[0], eval_dataset=sets[1], processing_class=tokenizer)
    training.quiet(trainer)
    for prepared in (trainer.train_dataset, trainer.eval_dataset):
        check_labels(prepared or [], tokenizer.convert_tokens_to_ids(TURN_END))
    before = heldout_loss(trainer)
    steps = training.train(trainer, job.folder, "sft")
    after = heldout_loss(trainer)
    model_folder.save(trainer.model, source, job.folder / "model")
    write_rows(job.folder / "samples.jsonl", answers.samples(trainer.model, tokenizer, dict(job.recipe.eval.prompts)))
    return {
        **data.facts,
        "max_length": limit,
        "heldout_loss": {"before": before, "after": after},
        "stop_rate": answers.stop_rate(trainer.model, tokenizer, [example["messages"][:-1] for example in data.heldout]),
        "steps": steps,
    }


def heldout_loss(trainer: Any) -> float | None:
    """Nats per token of the assistant's turns in the held-out conversations; None when none are held out."""
    return float(trainer.evaluate()["eval_loss"]) if trainer.eval_dataset else None


def check_labels(dataset: Any, turn_end: int) -> None:
    """Every turn in the labels must end with the end-of-turn token, or the model never stops. Raises DataError.

    `dataset`: rows with `input_ids` and `labels`, -100 where nothing is learnt.
    """
    wrong = total = 0
    for row in dataset:
        ids, learnt = row["input_ids"], [label != -100 for label in row["labels"]]
        ends = [i for i in range(len(ids)) if learnt[i] and (i + 1 == len(ids) or not learnt[i + 1])]
        total += max(1, len(ends))
        wrong += sum(ids[i] != turn_end for i in ends) if ends else 1
    if wrong:
        raise DataError(
            f"{wrong} of {total} assistant turns are not closed by {TURN_END} in the labels",
            fix="mend the chat template of the tokenizer, or raise max_length",
        )
