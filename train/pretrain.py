"""The two pretraining stages: plan a phase from where it stands, run it, collect its facts."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfile
from typing import Any

from rich.console import Console
from tokenizers import Tokenizer

from kishi.checkpoints import fault, folder_of
from kishi.errors import ArtefactError, KishiError
from kishi.manifest import sha256_file
from recipes.job import Job
from train.facts import facts
from train.launch import launch
from train.multiple_choice import chosen_questions
from train.plan import Plan
from train.retention import repair


def run_phase1(job: Job) -> dict[str, Any]:
    """Warm-up and stable, on the first phase's tier."""
    return _run(job, 1)


def run_phase2(job: Job) -> dict[str, Any]:
    """Decay on the second phase's tier, from the last checkpoint of phase 1 with its optimiser state."""
    return _run(job, 2)


def _run(job: Job, phase: int) -> dict[str, Any]:
    with _alone(job.folder):
        return _train(job, phase)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Raises KishiError while another process trains in the folder: it would see its unfinished checkpoint as cut off, and remove it."""
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise KishiError("another process is training here", where=folder, fix="wait for it, or end it") from error
        yield


def _train(job: Job, phase: int) -> dict[str, Any]:
    _check_tokenizer(job)
    _check_index(job)
    own, removed = repair(job.folder / "checkpoints")
    for line in removed:
        Console().print(f"[yellow]checkpoint {line}: removed[/]")
    plan = _plan(job, phase, own)
    chosen_questions(job.recipe)  # what cannot be read is refused before Megatron starts
    if own != plan.last_step:
        launch(plan)
        if why := fault(folder_of(plan.checkpoints, plan.last_step)):
            raise KishiError(f"the last checkpoint {why}", where=plan.checkpoints, fix="the same command goes on from the one before")
    return facts(plan)


def _check_tokenizer(job: Job) -> None:
    """The index, the tokenizer and the recipe must speak of the same vocabulary."""
    tokenizer = Tokenizer.from_file(str(job.inputs["tokenizer"] / "tokenizer.json"))
    asked = job.recipe.tokenizer.vocab_size
    if tokenizer.get_vocab_size() != asked:
        raise ArtefactError(
            f"{tokenizer.get_vocab_size()} tokens, the recipe says {asked}", where=job.inputs["tokenizer"], fix="make tokenizer index"
        )
    copyfile(job.inputs["tokenizer"] / "tokenizer.json", job.folder / ".tokenizer.json")


def _check_index(job: Job) -> None:
    """The index must have been made with this tokenizer: its manifest names it."""
    made_with = json.loads((job.inputs["index"] / "manifest.json").read_text())["inputs"]["tokenizer"]["manifest_sha256"]
    if made_with != sha256_file(job.inputs["tokenizer"] / "manifest.json"):
        raise ArtefactError("was made with another tokenizer", where=job.inputs["index"], fix="make index")


def _plan(job: Job, phase: int, own: int | None) -> Plan:
    """`own`: steps of this phase's newest checkpoint."""
    blends = json.loads((job.inputs["index"] / "blend.json").read_text())
    phases = job.recipe.pretrain.phases
    tier = phases[phase - 1].tier
    if tier not in blends:
        raise ArtefactError(f"no {tier} text in the index", where=job.inputs["index"], fix="mend data.sources or pretrain.phases")
    before = _finished(job.inputs["pretrain-phase1"], phases[0].steps) if phase == 2 else None
    load_from: Path | None = job.folder / "checkpoints" if own else before
    return Plan(
        recipe=job.recipe,
        hardware=job.hardware,
        phase=phase,
        folder=job.folder.absolute(),
        index=job.inputs["index"].absolute(),
        load_from=load_from and load_from.absolute(),
        start_step=own or (phases[0].steps if phase == 2 else 0),
        blend=blends[tier],
        base=job.inputs["import-hf"].absolute() if job.recipe.base else None,
    )


def _finished(phase1: Path, steps: int) -> Path:
    """Phase 1's checkpoints. Its manifest covers their files, but for hidden ones, of which Megatron writes some."""
    if why := fault(folder_of(phase1 / "checkpoints", steps)):
        raise ArtefactError(f"the last checkpoint {why}", where=phase1, fix=f"delete {phase1} and run its stage again")
    return phase1 / "checkpoints"
