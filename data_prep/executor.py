"""Runs datatrove pipelines: processes of this machine, or Slurm array jobs when the hardware overlay has `slurm`.

A `Step` is one pipeline over a number of tasks. datatrove marks each finished task in `<work>/logs/<step>/completions`, so a run that
was killed goes on with the tasks that are left.
"""

import hashlib
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

import multiprocess
from datatrove.executor import LocalPipelineExecutor, SlurmPipelineExecutor

from kishi.errors import DataError
from kishi.processes import die_with_parent
from kishi.progress import progress
from kishi.signals import before_end
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
    """Pickled by its name here, so that each process imports this package and with it the quiet log, and ends with the stage."""

    def _launch_run_for_rank(self, *arguments: Any, **more: Any) -> Any:
        if multiprocess.parent_process():
            die_with_parent()
        return super()._launch_run_for_rank(*arguments, **more)


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
    """Submit the whole chain, each array waiting for the one before it, then wait for the last. Nothing stays queued when it ends."""
    _cancel(steps, logs)  # of an attempt that was killed: two jobs must never write the same shard
    with before_end(lambda: _cancel(steps, logs)):
        try:
            previous: Any = None
            with _outside_of_jobs():
                for step in steps:
                    previous = slurm_executor(step, logs, slurm, previous)
                    previous.run()
            _wait(steps, logs, str(previous.job_id))
        except BaseException:
            _cancel(steps, logs)
            raise


def _wait(steps: Sequence[Step], logs: Path, last: str) -> None:
    """For all tasks to be marked; `last` is the job at the chain's end."""
    last_look = time.monotonic()
    while left := [step for step in steps if _completed(logs, step) < step.tasks]:
        time.sleep(POLL_SECONDS)
        if time.monotonic() - last_look > _QUEUE_SECONDS:
            last_look = time.monotonic()
            if not _in_queue("--jobs", last) and any(_completed(logs, step) < step.tasks for step in left):
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
        job_name=_job_name(step, logs),
        qos=slurm.qos,  # type: ignore[arg-type]
        env_command=f"cd {Path.cwd()}\n{slurm.environment}\nexport PYTHONPATH={Path.cwd()}",
        sbatch_args={"account": slurm.account} if slurm.account else {},
        logging_dir=str(logs / step.name),
        depends=depends,
        requeue=True,
    )


def _job_name(step: Step, logs: Path) -> str:
    """Of this step in this folder alone, so that its jobs are found again after a kill."""
    return f"kishi-{step.name}-{hashlib.sha256(str(logs).encode()).hexdigest()[:8]}".replace(" ", "-")


def _cancel(steps: Sequence[Step], logs: Path) -> None:
    """Take the steps' jobs out of the queue, and wait until those that ran have ended."""
    names = [_job_name(step, logs) for step in steps]
    if not _in_queue("--name", ",".join(names)):
        return
    for name in names:
        subprocess.run(["scancel", f"--name={name}"], capture_output=True, check=False)
    while _in_queue("--name", ",".join(names)):
        time.sleep(POLL_SECONDS)


def _in_queue(option: str, value: str) -> bool:
    found = subprocess.run(["squeue", "--noheader", option, value], capture_output=True, text=True, check=False)
    return found.returncode == 0 and bool(found.stdout.strip())


@contextmanager
def _outside_of_jobs() -> Iterator[None]:
    """What is submitted from inside a job must not inherit its size: memory a node and memory a CPU, say, exclude each other."""
    own = {name: value for name, value in os.environ.items() if name.startswith(("SLURM_", "SBATCH_", "SRUN_")) and name != "SLURM_CONF"}
    for name in own:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(own)


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
