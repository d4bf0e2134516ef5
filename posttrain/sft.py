"""The SFT stage: TRL's SFTTrainer, loss on the assistant's turns only."""

from typing import Any

from kishi.jsonl import write_rows
from kishi.rank import is_main
from kishi.special_tokens import TURN_END
from posttrain import launch
from posttrain.chat_data import Example
from recipes.job import Job


def run(job: Job) -> dict[str, Any]:
    """Write `model/`, `metrics.jsonl` and `samples.jsonl`; facts hold the held-out loss before and after, and the stop rate."""
    return launch.run(job, "posttrain.sft:train", job.recipe.sft.batch_size)


def train(job: Job) -> dict[str, Any]:
    """The same in one of the processes; empty facts in all but the first."""
    from posttrain import adapters, answers, conversation_trainer, conversations, examples, lengths, model_folder, packing, training

    source, section = job.inputs["export-hf"] / "phase2", job.recipe.sft
    training.prepare(job.hardware)
    model, tokenizer = model_folder.load(source)
    limit = min(section.max_length, model.config.max_position_embeddings)
    data = examples.read(job, "sft", lengths.fitting(lengths.conversation_forms, tokenizer, limit))
    rows, heldout = (conversations.tokenised(tokenizer, part) for part in (data.train, data.heldout))
    conversations.check_labels([*rows, *heldout], tokenizer.convert_tokens_to_ids(TURN_END))
    trainer = conversation_trainer.make(job, section, model, tokenizer, rows, limit, section.neftune_alpha)
    bf16 = job.hardware.precision == "bf16"

    def measure() -> dict[str, Any]:
        return heldout_losses(trainer.model, data.heldout, heldout, bf16)

    before = measure() if is_main() and heldout else {}
    steps = training.train(trainer, job.folder, "sft", measure if heldout else None)
    if not is_main():
        return {}
    after, trained = measure() if heldout else {}, adapters.facts(trainer.model, section.lora)
    model = adapters.merged(trainer.model)
    model_folder.save(model, source, job.folder / "model")
    write_rows(job.folder / "samples.jsonl", answers.samples(model, tokenizer, dict(job.recipe.eval.prompts)))
    return {
        **data.facts,
        "max_length": limit,
        "heldout_loss": {"before": before.get("heldout_loss"), "after": after.get("heldout_loss")},
        "heldout_loss_by_language": {"before": before.get("heldout_loss_by_language"), "after": after.get("heldout_loss_by_language")},
        "stop_rate": answers.stop_rate(model, tokenizer, [example["messages"][:-1] for example in data.heldout]),
        "steps": steps,
        "processes": job.hardware.world_size,
        "packing": packing.facts(trainer, rows) if section.packing else None,
        "neftune_alpha": section.neftune_alpha,
        **trained,
    }


def heldout_losses(model: Any, examples: list[Example], rows: list[Any], bf16: bool) -> dict[str, Any]:
    """Nats per token of the assistant's turns, over all tokens of the held-out conversations and of those in each language."""
    from posttrain.likelihood import log_likelihoods

    nats, counts = log_likelihoods(model, rows, bf16)
    by_language = {}
    for language in dict.fromkeys(str(example.get("lang")) for example in examples if example.get("lang")):
        places = [place for place, example in enumerate(examples) if example.get("lang") == language]
        by_language[language] = round(float(-nats[places].sum() / counts[places].sum()), 6)
    return {"heldout_loss": round(float(-nats.sum() / counts.sum()), 6), "heldout_loss_by_language": by_language}
