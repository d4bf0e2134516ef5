"""The two pretraining stages: plan a phase, run it under torchrun, show its progress, collect its facts."""

import json
import os
import socket
import subprocess
import sys
from collections import deque
from pathlib import Path
from shutil import copyfile
from typing import Any

from tokenizers import Tokenizer

from kishi.errors import ArtefactError, KishiError
from kishi.jsonl import read_rows
from kishi.manifest import sha256_file
from kishi.progress import progress
from recipes.job import Job
from train.plan import Plan, last_checkpoint


def run_phase1(job: Job) -> dict[str, Any]:
    """Warm-up and stable, on the first phase's tier."""
    return _run(job, 1)


def run_phase2(job: Job) -> dict[str, Any]:
    """Decay on the second phase's tier, from the last checkpoint of phase 1 with its optimiser state."""
    return _run(job, 2)


def _run(job: Job, phase: int) -> dict[str, Any]:
    _check_tokenizer(job)
    _check_index(job)
    own = last_checkpoint(job.folder / "checkpoints")
    load_from = job.folder / "checkpoints" if own else job.inputs["pretrain-phase1"] / "checkpoints" if phase == 2 else None
    plan = _plan(job, phase, load_from)
    if own != plan.last_step:
        _launch(plan)
    return _facts(plan)


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


def _plan(job: Job, phase: int, load_from: Path | None) -> Plan:
    blends = json.loads((job.inputs["index"] / "blend.json").read_text())
    tier = job.recipe.pretrain.phases[phase - 1].tier
    if tier not in blends:
        raise ArtefactError(f"no {tier} text in the index", where=job.inputs["index"], fix="mend data.sources or pretrain.phases")
    folder, index = job.folder.absolute(), job.inputs["index"].absolute()
    return Plan(job.recipe, job.hardware, phase, folder, index, load_from and load_from.absolute(), blends[tier])


def _launch(plan: Plan) -> None:
    """Run the workers to their end; raise with the last lines of their log when they fail."""
    path = plan.folder / ".plan.json"
    plan.save(path)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(plan.hardware.processes)]
    command += ["--master-addr", "127.0.0.1", "--master-port", str(_free_port()), "-m", "train.worker", str(path)]
    tail: deque[str] = deque(maxlen=15)
    with (plan.folder / ".train.log").open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=_environment(plan),
            preexec_fn=_die_with_parent,
        )  # fmt: skip
        _follow(process, plan, log, tail)
    if process.wait():
        raise KishiError(
            "training ended with an error:\n" + "".join(tail), where=plan.folder / ".train.log", fix="mend it; the same command goes on"
        )


def _follow(process: subprocess.Popen[str], plan: Plan, log: Any, tail: deque[str]) -> None:
    """Copy the workers' output to the log and the newest metrics to the progress line."""
    with progress() as bar:
        task = bar.add_task(f"pretrain phase {plan.phase}", total=plan.last_step, completed=plan.first_step, info="starting Megatron")
        for line in process.stdout or ():
            log.write(line)
            log.flush()
            tail.append(line)
            if line.startswith("engine:"):
                bar.console.print(line.strip())
            if row := _newest(plan.folder / "metrics.jsonl"):
                bar.update(task, completed=row["step"], info=f"loss {row['loss']:.3f}  {row['tokens_per_second']:,} tokens/s")


def _newest(metrics: Path) -> dict[str, Any] | None:
    try:
        rows = [row for row in read_rows(metrics) if "loss" in row]
    except (OSError, ValueError):
        return None  # being written right now
    return rows[-1] if rows else None


def _environment(plan: Plan) -> dict[str, str]:
    cores = len(os.sched_getaffinity(0))
    threads = plan.hardware.threads or max(1, cores // plan.hardware.processes)
    settings = {"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore", "TOKENIZERS_PARALLELISM": "false"}
    if plan.hardware.device == "cpu":
        settings |= {"TORCHDYNAMO_DISABLE": "1", "CUDA_VISIBLE_DEVICES": ""}
    return {**os.environ, **settings}


def _die_with_parent() -> None:
    import ctypes
    import signal

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _facts(plan: Plan) -> dict[str, Any]:
    rows = list(read_rows(plan.folder / "metrics.jsonl"))
    steps = [row for row in rows if "loss" in row]
    measured = [row for row in rows if "bits_per_byte" in row]
    recipe = plan.recipe
    return {
        "phase": plan.phase,
        "steps": plan.last_step,
        "tokens": steps[-1]["tokens"],
        "parameters": recipe.model.parameters(recipe.tokenizer.vocab_size),
        "loss": {"first": steps[0]["loss"], "last": steps[-1]["loss"]},
        "bits_per_byte": {"first": measured[0]["bits_per_byte"], "last": measured[-1]["bits_per_byte"]},
        "tokens_per_second": round(sum(r["tokens_per_second"] for r in steps) / len(steps)),
    }
