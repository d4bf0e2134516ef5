"""Runs datatrove pipelines: processes of this machine, or Slurm array jobs when the hardware overlay has `slurm`.

A `Step` is one pipeline over a number of tasks. datatrove marks each finished task in `<work>/logs/<step>/completions`, so a run that
was killed goes on with the tasks that are left.
"""

import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datatrove.executor import LocalPipelineExecutor, SlurmPipelineExecutor

from kishi.errors import DataError
from kishi.progress import progress
from recipes.hardware import Hardware, Slurm

POLL_SECONDS = 0.5
_QUEUE_SECONDS = 30.0


@dataclass(frozen=True)
class Step:
    """A pipeline whose task `rank` of `tasks` handles shard `rank`."""

    name: str
    pipeline: list[Any]
    tasks: int


class _Local(LocalPipelineExecutor):  # type: ignore[misc]
    """Pickled by its name here, so that each process imports this package and with it the quiet log."""


def run_steps(steps: Sequence[Step], work: Path, hardware: Hardware, most: int) -> None:
    """Run them in order, by at most `most` processes here: one shard is not worth starting processes for.

    Raises what a task raised; DataError when a Slurm job ended without finishing its tasks.
    """
    logs = work.absolute() / "logs"
    with _progress(steps, logs):
        if hardware.slurm:
            _on_slurm(steps, logs, hardware.slurm)
        else:
            for step in steps:
                workers = min(step.tasks, most, hardware.cpu_workers or os.cpu_count() or 1)
                _Local(step.pipeline, tasks=step.tasks, workers=workers, logging_dir=str(logs / step.name)).run()


def _on_slurm(steps: Sequence[Step], logs: Path, slurm: Slurm) -> None:
    """Submit the whole chain, each array waiting for the one before it, then wait for the last."""
    previous: Any = None
    for step in steps:
        previous = slurm_executor(step, logs, slurm, previous)
        previous.run()
    last_look = time.monotonic()
    while left := [step for step in steps if _completed(logs, step) < step.tasks]:
        time.sleep(POLL_SECONDS)
        if time.monotonic() - last_look > _QUEUE_SECONDS:
            last_look = time.monotonic()
            if not _in_queue(str(previous.job_id)) and any(_completed(logs, step) < step.tasks for step in left):
                raise DataError(
                    f"the Slurm job of {left[0].name} ended before all its tasks",
                    where=logs / left[0].name / "logs",
                    fix="read the logs there, then run the same command again: finished tasks are kept",
                )


def slurm_executor(step: Step, logs: Path, slurm: Slurm, depends: SlurmPipelineExecutor | None) -> SlurmPipelineExecutor:
    """datatrove's executor with the overlay's resources; its tasks start in the present folder with the overlay's environment."""
    return SlurmPipelineExecutor(
        step.pipeline,
        tasks=step.tasks,
        time=slurm.time,
        partition=slurm.partition,
        tasks_per_job=math.ceil(step.tasks / slurm.array_limit),
        mem_per_cpu_gb=slurm.memory_gb,
        job_name=f"kishi-{step.name}".replace(" ", "-"),
        qos=slurm.qos,  # type: ignore[arg-type]
        env_command=f"cd {Path.cwd()}\n{slurm.environment}\nexport PYTHONPATH={Path.cwd()}",
        sbatch_args={"account": slurm.account} if slurm.account else {},
        logging_dir=str(logs / step.name),
        depends=depends,
        requeue=True,
    )


def _in_queue(job: str) -> bool:
    found = subprocess.run(["squeue", "--noheader", "--jobs", job], capture_output=True, text=True, check=False)
    return found.returncode == 0 and bool(found.stdout.strip())


def _completed(logs: Path, step: Step) -> int:
    folder = logs / step.name / "completions"
    return sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0


@contextmanager
def _progress(steps: Sequence[Step], logs: Path) -> Iterator[None]:
    """A bar a step, moved by the tasks that are marked finished."""
    if not sys.stdout.isatty():
        yield
        return
    done = threading.Event()
    with progress() as bar:
        bars = [(step, bar.add_task(step.name, total=step.tasks, info="")) for step in steps]

        def watch() -> None:
            while not done.wait(POLL_SECONDS):
                for step, task in bars:
                    bar.update(task, completed=_completed(logs, step))

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
