"""Runs a stage's training here, or under torchrun in as many processes as the overlay says."""

import json
import os
import re
import subprocess
from collections import deque
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from kishi import failure, machines
from kishi.errors import KishiError
from kishi.jsonl import write_json
from kishi.processes import die_with_parent
from kishi.progress import progress
from recipes.hardware import Hardware
from recipes.job import Job
from recipes.schema import Recipe

Facts = dict[str, Any]
PLAN, FACTS, LOG = ".plan.json", ".facts.json", ".train.log"  # the log's name is that of pretraining: kishi.failure points to it
STEP_LINE = r"step (\d+)/(\d+)  (.*)"  # what the first worker says of a step
_TAIL = 400


def run(job: Job, function: str, batch: int) -> Facts:
    """The facts of `function` ("module:name", takes the job), called in every process; those of the first count.

    Raises KishiError with the words of the process that failed first, or at once when the processes cannot share `batch` evenly.
    """
    share_of(batch, job.hardware)
    if job.hardware.world_size == 1:
        return load(function)(job)
    (job.folder / failure.NOTE).unlink(missing_ok=True)
    (job.folder / FACTS).unlink(missing_ok=True)
    write_plan(job, function)
    code, tail = _follow(job)
    if code or not (job.folder / FACTS).is_file():
        raise failure.read(job.folder, tail)
    facts: Facts = json.loads((job.folder / FACTS).read_bytes())
    return facts


def load(function: str) -> Callable[[Job], Facts]:
    """Import it."""
    module, _, name = function.partition(":")
    found: Callable[[Job], Facts] = getattr(import_module(module), name)
    return found


def share_of(batch: int, hardware: Hardware) -> int:
    """Examples of a step that each process does. Raises KishiError when they cannot be shared out evenly."""
    if batch % hardware.world_size:
        raise KishiError(
            f"{hardware.world_size} processes cannot share {batch} examples a step evenly",
            where="batch_size",
            fix="another overlay (--hw), or a batch that is a multiple of the processes",
        )
    return batch // hardware.world_size


def write_plan(job: Job, function: str) -> None:
    """What a worker needs to know, as JSON."""
    inputs = {name: path.absolute().as_posix() for name, path in job.inputs.items()}
    plan = {"function": function, "folder": job.folder.absolute().as_posix(), "inputs": inputs}
    models = {"recipe": job.recipe.model_dump(mode="json"), "hardware": job.hardware.model_dump(mode="json")}
    write_json(job.folder / PLAN, plan | models)


def read_plan(path: Path) -> tuple[Job, str]:
    """The other way round."""
    plan: Mapping[str, Any] = json.loads(path.read_bytes())
    inputs = {name: Path(folder) for name, folder in plan["inputs"].items()}
    job = Job(Recipe.model_validate(plan["recipe"]), Hardware.model_validate(plan["hardware"]), Path(plan["folder"]), inputs)
    return job, plan["function"]


def _follow(job: Job) -> tuple[int, list[str]]:
    """Exit code and last lines of torchrun. What the first worker says of its steps becomes the progress line, the rest goes to the log."""
    command = machines.command(job.hardware.nodes, job.hardware.processes, job.folder / PLAN, "posttrain.worker")
    tail: deque[str] = deque(maxlen=_TAIL)
    with progress() as bar, (job.folder / LOG).open("a", encoding="utf-8") as log:
        task = bar.add_task(job.folder.stem, total=None, info=f"starting {job.hardware.world_size} processes")
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            env=_environment(job.hardware), preexec_fn=die_with_parent,
        )  # fmt: skip
        for line in process.stdout or ():
            if found := re.match(STEP_LINE, line):
                bar.update(task, completed=int(found[1]), total=int(found[2]), info=found[3])
                continue
            log.write(line)
            log.flush()
            tail.append(line)
            if line.startswith("! "):
                bar.console.print(f"[yellow]![/] {line[2:].strip()}")
        return process.wait(), list(tail)


def _environment(hardware: Hardware) -> dict[str, str]:
    threads = hardware.threads or max(1, len(os.sched_getaffinity(0)) // hardware.processes)
    settings = {"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore", "TOKENIZERS_PARALLELISM": "false"}
    return {**os.environ, **settings, **({"CUDA_VISIBLE_DEVICES": ""} if hardware.device == "cpu" else {})}
