"""Starts the workers of one phase under torchrun, shows their progress, and passes their error on."""

import json
import os
import socket
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any

from kishi.processes import die_with_parent
from kishi.progress import progress
from train import failure
from train.plan import Plan

_TAIL = 400  # last lines of output that are kept: torchrun's report names the signal that ended a worker
_NEWEST_BYTES = 8192


def launch(plan: Plan, worker: str = "train.worker") -> None:
    """Run the workers to their end. Raises KishiError with the words of the worker that failed first; all output is in `.train.log`.

    `worker` is the module that torchrun starts in each process with the plan's path.
    """
    path = plan.folder / ".plan.json"
    _ = plan.micro_batch_size  # what cannot be shared out is refused before Megatron starts
    plan.save(path)
    (plan.folder / failure.NOTE).unlink(missing_ok=True)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(plan.hardware.processes)]
    command += ["--master-addr", "127.0.0.1", "--master-port", str(_free_port()), "-m", worker, str(path)]
    tail: deque[str] = deque(maxlen=_TAIL)
    with (plan.folder / ".train.log").open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=_environment(plan),
            preexec_fn=die_with_parent,
        )  # fmt: skip
        _follow(process, plan, log, tail)
    if process.wait():
        raise failure.read(plan.folder, list(tail))


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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
