"""Starts the workers of one phase under torchrun, shows their progress, and passes their error on."""

import json
import os
import signal
import subprocess
from collections import deque
from pathlib import Path
from typing import Any

from kishi import failure, machines
from kishi.checkpoints import fault, folder_of, whole
from kishi.processes import die_with_parent
from kishi.progress import progress
from train.plan import Plan
from train.stop import Stopped, requested, requests_noted

_TAIL = 400  # last lines of output that are kept: torchrun's report names the signal that ended a worker
_NEWEST_BYTES = 8192


def launch(plan: Plan) -> None:
    """Train until the phase's last step is saved.

    Raises KishiError with the words of the worker that failed first, Stopped when a signal ended it early; all output is in `.train.log`.
    """
    code, tail = run_workers(plan)
    _judge(plan, code, tail)


def run_workers(plan: Plan, worker: str = "train.worker") -> tuple[int, list[str]]:
    """Exit code and last lines of torchrun, which starts the module `worker` in each process with the plan's path."""
    path = plan.folder / ".plan.json"
    _ = plan.micro_batch_size  # what cannot be shared out is refused before Megatron starts
    plan.save(path)
    (plan.folder / failure.NOTE).unlink(missing_ok=True)
    command = machines.command(plan.hardware.nodes, plan.hardware.processes, path, worker)
    tail: deque[str] = deque(maxlen=_TAIL)
    with requests_noted(plan.folder), (plan.folder / ".train.log").open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            env=_environment(plan), preexec_fn=_apart,
        )  # fmt: skip
        _follow(process, plan, log, tail)
        return process.wait(), list(tail)


def _apart() -> None:
    """torchrun ends with the stage, but no signal meant for the stage's process group reaches it: it would kill its workers."""
    die_with_parent()
    os.setpgid(0, 0)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)


def _judge(plan: Plan, code: int, tail: list[str]) -> None:
    """Whether the workers came to the last step, were stopped, or failed."""
    if not code and not fault(folder_of(plan.checkpoints, plan.last_step)):
        return
    step, by = (whole(plan.checkpoints) or [plan.start_step])[-1], requested(plan.folder)
    if (code or step == plan.start_step) and (not by or (plan.folder / failure.NOTE).exists()):
        raise failure.read(plan.folder, tail)
    raise Stopped(
        f"phase {plan.phase} stopped by {by or 'a signal to its workers'}: {step} of {plan.last_step} steps are saved, "
        "the same command goes on from there"
    )


def _follow(process: subprocess.Popen[str], plan: Plan, log: Any, tail: deque[str]) -> None:
    """Copy the workers' output to the log and the newest metrics to the progress line."""
    with progress() as bar:
        task = bar.add_task(f"pretrain phase {plan.phase}", total=plan.last_step, completed=plan.start_step, info="starting Megatron")
        for line in process.stdout or ():
            log.write(line)
            log.flush()
            tail.append(line)
            if line.startswith("engine:"):
                bar.console.print(line.strip())
            if row := _newest(plan.folder / "metrics.jsonl"):
                bar.update(task, completed=row["step"], info=f"loss {row['loss']:.3f}  {row['tokens_per_second']:,} tokens/s")


def _newest(metrics: Path) -> dict[str, Any] | None:
    """The last row with a loss, from the end of the file: a long run's is read many times."""
    try:
        with metrics.open("rb") as stream:
            stream.seek(max(0, metrics.stat().st_size - _NEWEST_BYTES))
            lines = stream.read().splitlines()
        return next((json.loads(line) for line in reversed(lines) if line.startswith(b'{"step"') and b'"loss"' in line), None)
    except (OSError, ValueError):
        return None  # not there yet, or being written right now


def _environment(plan: Plan) -> dict[str, str]:
    cores = len(os.sched_getaffinity(0))
    threads = plan.hardware.threads or max(1, cores // plan.hardware.processes)
    settings = {"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore", "TOKENIZERS_PARALLELISM": "false"}
    if plan.hardware.tensor_parallel > 1:
        settings["CUDA_DEVICE_MAX_CONNECTIONS"] = "1"  # Megatron counts on kernels starting in the order in which they were asked for
    if plan.hardware.device == "cpu":
        settings |= {"TORCHDYNAMO_DISABLE": "1", "CUDA_VISIBLE_DEVICES": ""}
    return {**os.environ, **settings}
