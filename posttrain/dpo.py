"""The DPO stage: TRL's DPOTrainer from the SFT model, which is also the reference."""

from pathlib import Path
from typing import Any

from kishi.jsonl import write_rows
from posttrain.chat_data import load, preference_fault
from recipes.job import Job

MEASURED = {"accuracy": "eval_rewards/accuracies", "margin": "eval_rewards/margins", "loss": "eval_loss"}


def run(job: Job) -> dict[str, Any]:
    """Write `model/`, `metrics.jsonl` and `samples.jsonl`; facts hold preference accuracy and margin on held-out pairs."""
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    from posttrain import model_folder, training

    source, section = job.inputs["sft"] / "model", job.recipe.dpo
    data = load(Path(section.path), preference_fault, section.heldout, job.recipe.seed, job.folder / "quarantine.jsonl")
    model, tokenizer = model_folder.load(source)
    config = DPOConfig(**training.arguments(job, section, len(data.train)), beta=section.beta)
    keys = ("prompt", "chosen", "rejected")
    pairs = [Dataset.from_list([{key: e[key] for key in keys} for e in rows]) for rows in (data.train, data.heldout or data.train[:1])]
    trainer = DPOTrainer(model=model, args=config, train_dataset=pairs[0], eval_dataset=pairs[1], processing_class=tokenizer)
    training.train(trainer, job.folder)
    measured = trainer.evaluate()
    model_folder.save(trainer.model, source, job.folder / "model")
    samples = []
    for language, prompt in job.recipe.eval.prompts.items():
        text, stopped = model_folder.answer(trainer.model, tokenizer, [{"role": "user", "content": prompt}])
        samples.append({"lang": language, "prompt": prompt, "text": text, "stopped": stopped})
    write_rows(job.folder / "samples.jsonl", samples)
    return {
        "examples": {"train": len(data.train), "heldout": len(data.heldout)},
        "license": section.license,
        "heldout": {name: measured[key] for name, key in MEASURED.items() if key in measured},
        "stop_rate": model_folder.stop_rate(trainer.model, tokenizer, [example["prompt"] for example in data.heldout]),
        "steps": trainer.state.global_step,
    }
