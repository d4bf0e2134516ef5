"""The tools stage: the DPO model learns to call functions, with TRL's SFTTrainer on the assistant's turns alone."""

from collections import Counter
from pathlib import Path
from typing import Any

from rich import print as show

from kishi.errors import DataError
from kishi.jsonl import Row, read_rows, write_rows
from kishi.special_tokens import TURN_END
from posttrain.chat_data import Split
from posttrain.tool_data.make import make
from posttrain.tool_examples import render, replayed
from recipes.job import Job

SOURCES = "sources"  # the split of held-out conversations that were not made from templates


def run(job: Job) -> dict[str, Any]:
    """Write `model/`, `data/`, `metrics.jsonl`, `answers.jsonl`; facts hold the shares of right answers, before and after."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    from posttrain import model_folder, sft, tool_answers, training

    source, section = job.chat_model, job.recipe.tools
    assert section is not None, "the chain has this stage only where the recipe has the section"
    training.prepare(job.hardware)
    model, tokenizer = model_folder.load(source)
    limit = min(section.max_length, model.config.max_position_embeddings)
    rows, heldout = data(job)
    (train, left_out), (aside, too_long) = (render(tokenizer, part, limit) for part in (rows, heldout))
    _check_room(len(train), len(aside), left_out, too_long, limit)
    config = SFTConfig(**training.arguments(job, section, limit, Split(train, aside, left_out)))
    trainer = SFTTrainer(
        model=model, args=config, train_dataset=Dataset.from_list(train), eval_dataset=Dataset.from_list(aside), processing_class=tokenizer
    )
    training.quiet(trainer)
    for prepared in (trainer.train_dataset, trainer.eval_dataset):
        sft.check_labels(prepared, tokenizer.convert_tokens_to_ids(TURN_END))
    if not (job.folder / "before.jsonl").is_file():  # it takes a while: not again after a kill
        write_rows(job.folder / "before.jsonl", tool_answers.measure(model, tokenizer, heldout, section.answer_tokens)[1])
    before = sft.heldout_loss(trainer)
    steps = training.train(trainer, job.folder, "tools")
    after = sft.heldout_loss(trainer)
    model_folder.save(trainer.model, source, job.folder / "model")
    scores, answers = tool_answers.measure(trainer.model, tokenizer, heldout, section.answer_tokens)
    write_rows(job.folder / "answers.jsonl", answers)
    return {
        "examples": {"train": len(train), "heldout": len(aside)},
        "left_out": {"train": left_out, "heldout": too_long},
        "licenses": dict(Counter(row["license"] for row in (*rows, *heldout) if "license" in row)),
        "max_length": limit,
        "heldout_loss": {"before": before, "after": after},
        "heldout": {**scores, "before": _scores(job.folder / "before.jsonl")},
        "steps": steps,
    }


def data(job: Job) -> tuple[list[Row], list[Row]]:
    """(rows to train on: made, of the chat sources, replayed chat; held-out rows: made ones and those of the chat sources).

    The made ones are kept in `data/`.
    """
    recipe, section, chat = job.recipe, job.recipe.tools, job.inputs["chat-data"]
    assert section is not None
    rows, heldout = make(section.examples, section.heldout_examples, recipe.seed, recipe.languages)
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
        show(f"[yellow]![/] tool conversations left out, of {train} to train on and {aside} held out: {reasons}")


def _scores(path: Path) -> dict[str, Any]:
    from kishi import tool_scores

    return tool_scores.table(list(read_rows(path)))
