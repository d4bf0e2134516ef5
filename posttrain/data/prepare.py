"""The chat-data stage: sources to `{sft,preference,tools}/{train,heldout}.jsonl` and the evidence."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from kishi.errors import DataError
from kishi.jsonl import Row, RowWriter, read_rows, write_rows
from kishi.stage_folder import remove_at_once
from posttrain.data import datasheet
from posttrain.data.collect import checks, collect, refused
from posttrain.data.example import Example, published
from posttrain.data.selection import Selection
from posttrain.data.sources import Unit, plan
from posttrain.data.split import KINDS, heldout_groups, question_key, repetitions
from posttrain.data.spoiling import Pool, shape_of, spoilt
from posttrain.data.statistics import Statistics
from recipes.job import Job
from recipes.schema import Recipe

WORK = ".work"
SIDES = ("train", "heldout")


def run(job: Job) -> dict[str, Any]:
    """Make the files named in docs/chat-data.md; the same bytes each time, however often it was killed."""
    work = job.folder / WORK
    units = plan(job.recipe.chat, job.inputs["data"])
    found = checks(job.recipe, job.inputs["data"])
    shards = collect(units, work, found)
    _refuse_empty(job, units, shards)
    selection = Selection(job.recipe, shards)
    statistics = Statistics()
    _write(job, selection, statistics)
    _write_evidence(job, shards, selection, statistics)
    _refuse_untrainable(job, statistics)
    facts = {**statistics.facts(), "decontaminated_against": _compared(found)}
    datasheet.write(job.folder / "datasheet.md", job.recipe, facts)
    Console().print(datasheet.summary(facts))
    remove_at_once(work)
    return facts


def _write(job: Job, selection: Selection, statistics: Statistics) -> None:
    """Both sides of the split of each kind; an example of weight 2 stands twice in its training file."""
    chat, seed = job.recipe.chat, job.recipe.seed
    weights = {source.name: source.weight for source in chat.sources}
    groups, heldout = heldout_groups(selection.examples(), chat.heldout, seed)

    def side_of(example: Example) -> str:
        return "heldout" if groups.find(question_key(example)) in heldout else "train"

    pools = _pools(job.recipe, selection, side_of) if chat.make.pairs else {}
    writers = {(kind, side): RowWriter(job.folder / kind / f"{side}.jsonl") for kind in KINDS for side in SIDES}
    for example in _with_pairs(job.recipe, selection, side_of, pools):
        side = side_of(example)
        times = 1 if side == "heldout" else repetitions(example["id"], weights[example["source"]], seed)
        statistics.add(example, side, times)
        for number in range(times):
            row = published(example)
            writers[example["kind"], side].write(row if not number else {**row, "id": f"{row['id']}~{number + 1}"})
    for writer in writers.values():
        writer.close()


def _pools(recipe: Recipe, selection: Selection, side_of: Callable[[Example], str]) -> dict[str, Pool]:
    """Answers of each side, which foreign ones are taken from: no held-out answer may stand in a training pair."""

    def answers(side: str) -> Iterator[Example]:
        return (example for example in selection.examples() if example["kind"] == "sft" and side_of(example) == side)

    return {side: Pool(answers(side), recipe.seed) for side in SIDES}


def _with_pairs(recipe: Recipe, selection: Selection, side_of: Callable[[Example], str], pools: dict[str, Pool]) -> Iterator[Example]:
    """Each example and, after it, the preference pair that is made of it; every pair says whether its answers are of like length."""
    for example in selection.examples():
        pair = spoilt(example, pools[side_of(example)], recipe.chat.make, recipe.seed) if pools and example["kind"] == "sft" else None
        for found in (example, pair):
            if found and found["kind"] == "preference":
                sizes = ("".join(turn["content"] for turn in found[key]) for key in ("chosen", "rejected"))
                found = {**found, "length_matched": shape_of(*sizes) == "matched"}
            if found:
                yield found


def _write_evidence(job: Job, shards: list[Path], selection: Selection, statistics: Statistics) -> None:
    """Refused rows with their line and reason, and good ones that went."""

    def bad() -> Iterator[Row]:
        for shard in shards:
            for row in read_rows(refused(shard)):
                statistics.refuse(row["source"], row["reason"])
                yield row

    def gone() -> Iterator[Row]:
        for row in selection.removed_rows():
            statistics.remove(row["source"], row["reason"])
            yield row

    write_rows(job.folder / "quarantine.jsonl", bad())
    write_rows(job.folder / "removed.jsonl.zst", gone())


def _refuse_empty(job: Job, units: list[Unit], shards: list[Path]) -> None:
    """A source without a single usable example is an error."""
    for source in job.recipe.chat.sources:
        own = [shard for unit, shard in zip(units, shards, strict=True) if unit.source == source]
        if any(next(read_rows(shard), None) for shard in own):
            continue
        bad = [row for shard in own for row in read_rows(refused(shard))]
        why = f"{len(bad)} rows were refused, the first ({bad[0]['file']}:{bad[0]['line']}) because: {bad[0]['reason']}" if bad else ""
        place = source.path or source.hub or f"corpus of {source.corpus}"
        raise DataError(f"source {source.name}: not one usable example", where=place, fix=why or "it is empty; point it at examples")


def _refuse_untrainable(job: Job, statistics: Statistics) -> None:
    for kind in ("sft", "preference"):
        if not statistics.trained[kind]:
            reasons = ", ".join(f"{reason} {count}" for reason, count in statistics.removed.most_common(3))
            raise DataError(f"no {kind} example is left to train on", fix=f"add a source, or see why rows went: {reasons or 'none did'}")


def _compared(found: Any) -> dict[str, int]:
    return {**found.examples.counts, "held-out documents": sum(index.count for index in found.heldout)}
