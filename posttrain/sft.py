"""The SFT stage: TRL's SFTTrainer, loss on the assistant's turns only."""

from pathlib import Path
from typing import Any

from kishi.errors import DataError
from kishi.jsonl import write_rows
from kishi.special_tokens import SPECIAL_IDS, TURN_END
from posttrain.chat_data import Example, Split, conversation_fault, load
from recipes.job import Job


def run(job: Job) -> dict[str, Any]:
    """Write `model/`, `metrics.jsonl` and `samples.jsonl`; facts hold the held-out loss before and after, and the stop rate."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    from posttrain import model_folder, training

    source, section = job.inputs["export-hf"] / "phase2", job.recipe.sft
    data = load(Path(section.path), conversation_fault, section.heldout, job.recipe.seed, job.folder / "quarantine.jsonl")
    model, tokenizer = model_folder.load(source)
    config = SFTConfig(**training.arguments(job, section, len(data.train)), assistant_only_loss=True)
    sets = {name: Dataset.from_list([{"messages": e["messages"]} for e in rows]) for name, rows in _parts(data).items()}
    trainer = SFTTrainer(model=model, args=config, train_dataset=sets["train"], eval_dataset=sets["heldout"], processing_class=tokenizer)
    check_labels(trainer.train_dataset, section.max_length)
    before = trainer.evaluate()["eval_loss"]
    training.train(trainer, job.folder)
    after = trainer.evaluate()["eval_loss"]
    model_folder.save(trainer.model, source, job.folder / "model")
    prompts = [example["messages"][:-1] for example in data.heldout]
    samples = [_sample(trainer.model, tokenizer, language, prompt) for language, prompt in job.recipe.eval.prompts.items()]
    write_rows(job.folder / "samples.jsonl", samples)
    return {
        "examples": {"train": len(data.train), "heldout": len(data.heldout), "quarantined": _lines(job.folder / "quarantine.jsonl")},
        "license": section.license,
        "heldout_loss": {"before": before, "after": after},
        "stop_rate": model_folder.stop_rate(trainer.model, tokenizer, prompts),
        "steps": trainer.state.global_step,
    }


def _parts(data: Split) -> dict[str, list[Example]]:
    return {"train": data.train, "heldout": data.heldout or data.train[:1]}


def check_labels(dataset: Any, max_length: int) -> None:
    """The last label of an assistant's turn must be end-of-turn, or the model never stops (a cut-off example has lost it)."""
    wrong = total = 0
    for row in dataset:
        ids, mask = row["input_ids"], [label != -100 for label in row["labels"]]
        ends = [i for i in range(len(ids)) if mask[i] and (i + 1 == len(ids) or not mask[i + 1])]
        if len(ids) >= max_length:
            ends = ends[:-1] if ends and ends[-1] == len(ids) - 1 else ends
        total += len(ends)
        wrong += sum(ids[i] != SPECIAL_IDS[TURN_END] for i in ends)
    if wrong or not total:
        raise DataError(
            f"{wrong} of {total} assistant turns are not closed by {TURN_END} in the labels",
            fix="raise max_length or mend the chat template",
        )


def _sample(model: Any, tokenizer: Any, language: str, prompt: str) -> dict[str, Any]:
    from posttrain.model_folder import answer

    text, stopped = answer(model, tokenizer, [{"role": "user", "content": prompt}])
    return {"lang": language, "prompt": prompt, "text": text, "stopped": stopped}


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")
