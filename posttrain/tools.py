"""The tools stage: the DPO model learns to call functions, with TRL's SFTTrainer on the assistant's turns alone."""

from collections import Counter
from pathlib import Path
from typing import Any

from kishi.errors import DataError
from kishi.jsonl import Row, read_rows, write_rows
from kishi.rank import is_main
from kishi.special_tokens import TURN_END
from posttrain import launch
from posttrain.examples import warn
from posttrain.tool_data.make import make
from posttrain.tool_examples import render, replayed
from recipes.job import Job

SOURCES = "sources"  # the split of held-out conversations that were not made from templates


def run(job: Job) -> dict[str, Any]:
    """Write `model/`, `data/`, `metrics.jsonl`, `answers.jsonl`; facts hold the shares of right answers, before and after."""
    assert job.recipe.tools is not None, "the chain has this stage only where the recipe has the section"
    return launch.run(job, "posttrain.tools:train", job.recipe.tools.batch_size)


def train(job: Job) -> dict[str, Any]:
    """The same in one of the processes; empty facts in all but the first."""
    from posttrain import adapters, conversation_trainer, conversations, model_folder, packing, tool_answers, training
    from posttrain.sft import heldout_losses

    source, section = job.chat_model, job.recipe.tools
    assert section is not None
    training.prepare(job.hardware)
    model, tokenizer = model_folder.load(source)
    limit = min(section.max_length, model.config.max_position_embeddings)
    rows, heldout = data(job)
    (trained_on, left_out), (aside, too_long) = (render(tokenizer, part, limit) for part in (rows, heldout))
    _check_room(len(trained_on), len(aside), left_out, too_long, limit)
    conversations.check_labels([*trained_on, *aside], tokenizer.convert_tokens_to_ids(TURN_END))
    trainer = conversation_trainer.make(job, section, model, tokenizer, trained_on, limit)
    if is_main() and not (job.folder / "before.jsonl").is_file():  # it takes a while: not again after a kill
        write_rows(job.folder / "before.jsonl", tool_answers.measure(model, tokenizer, heldout, section.answer_tokens)[1])

    def measure() -> dict[str, Any]:
        return {"heldout_loss": heldout_losses(trainer.model, [], aside, job.hardware.precision == "bf16")["heldout_loss"]}

    before = measure() if is_main() else {}
    steps = training.train(trainer, job.folder, "tools", measure)
    if not is_main():
        return {}
    after, weights = measure(), adapters.facts(trainer.model, section.lora)
    model = adapters.merged(trainer.model)
    model_folder.save(model, source, job.folder / "model")
    scores, answers = tool_answers.measure(model, tokenizer, heldout, section.answer_tokens)
    write_rows(job.folder / "answers.jsonl", answers)
    return {
        "examples": {"train": len(trained_on), "heldout": len(aside)},
        "left_out": {"train": left_out, "heldout": too_long},
        "licenses": dict(Counter(row["license"] for row in (*rows, *heldout) if "license" in row)),
        "max_length": limit,
        "heldout_loss": {"before": before["heldout_loss"], "after": after["heldout_loss"]},
        "heldout": {**scores, "before": _scores(job.folder / "before.jsonl")},
        "packing": packing.facts(trainer, trained_on) if section.packing else None,
        "steps": steps,
        "processes": job.hardware.world_size,
        **weights,
    }


def data(job: Job) -> tuple[list[Row], list[Row]]:
    """(rows to train on: made, of the chat sources, replayed chat; held-out rows: made ones and those of the chat sources).

    The made ones are kept in `data/`.
    """
    recipe, section, chat = job.recipe, job.recipe.tools, job.inputs["chat-data"]
    assert section is not None
    rows, heldout = make(section.examples, section.heldout_examples, recipe.seed, recipe.languages)
    if is_main():
        write_rows(job.folder / "data" / "train.jsonl", rows)
        write_rows(job.folder / "data" / "heldout.jsonl", heldout)
    rows += read_rows(chat / "tools" / "train.jsonl")
    heldout += [{**row, "split": SOURCES} for row in read_rows(chat / "tools" / "heldout.jsonl")]
    replay = round(len(rows) * section.replay / (1 - section.replay))
    return rows + replayed(list(read_rows(chat / "sft" / "train.jsonl")), replay, section.replay_with_tools, recipe.seed), heldout


def _check_room(train: int, aside: int, left_out: dict[str, int], too_long: dict[str, int], limit: int) -> None:
    reasons = ", ".join(f"{reason} {count}" for part in (left_out, too_long) for reason, count in part.items())
    if not train or not aside:
        raise DataError(
            f"no tool conversation fits into {limit} tokens ({reasons})", where="tools.max_length", fix="a model with a longer context"
        )
    if reasons:
        warn(f"tool conversations left out, of {train} to train on and {aside} held out: {reasons}")


def _scores(path: Path) -> dict[str, Any]:
    from kishi import tool_scores

    return tool_scores.table(list(read_rows(path)))
