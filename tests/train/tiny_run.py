"""A real run at the smallest size that shows anything: two layers of width 64, a few steps, from the command line as a user runs it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from kishi.jsonl import Row, read_rows

PHASE1, PHASE2, CHECKPOINT_EVERY = 18, 6, 6  # steps
SETTINGS = {
    "tokenizer.vocab_size": 768,
    "model.layers": 2,
    "model.hidden_size": 64,
    "model.ffn_hidden_size": 128,
    "model.attention_heads": 4,
    "model.kv_heads": 2,
    "model.head_dim": 16,
    "pretrain.sequence_length": 128,
    "pretrain.global_batch_size": 32,
    "pretrain.phases.0.steps": PHASE1,
    "pretrain.phases.1.steps": PHASE2,
    "pretrain.warmup_steps": 2,
    "pretrain.evaluate_every": 7,
    "pretrain.checkpoint_every": CHECKPOINT_EVERY,
    "pretrain.sample_tokens": 4,
    "pretrain.heldout_documents": 6,
    "pretrain.questions": 4,
    "pretrain.keep.last": 3,  # all
}
_TIMES = ("seconds", "tokens_per_second", "peak_memory_bytes")


def command(stage: str, *more: str) -> list[str]:
    """The command line of a stage; later `--set`s win."""
    sets = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
    return [sys.executable, "-m", "recipes.run", "recipes/kishi-tiny.yaml", stage, *sets, *more]


def environment(runs: Path) -> dict[str, str]:
    return {**os.environ, "KISHI_RUNS": str(runs)}


def run(runs: Path, stage: str, *more: str, limit: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    """To its end. `limit` is called in the new process before it starts."""
    return subprocess.run(
        command(stage, "--hw", "cpu", *more), env=environment(runs), capture_output=True, text=True, check=False, preexec_fn=limit
    )


def kill_when(runs: Path, stage: str, moment: Callable[[], bool], *more: str, alone: bool = False) -> None:
    """Start the stage and kill its whole process group with SIGKILL as soon as `moment()` is true; returns when none of it is left.

    `alone`: only the stage's own process is killed; the others have to end by themselves.
    """
    process = subprocess.Popen(
        command(stage, "--hw", "cpu", *more), env=environment(runs), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    while not moment():
        assert process.poll() is None, "it ended before the moment came"
        time.sleep(0.0005)
    (os.kill if alone else os.killpg)(process.pid, signal.SIGKILL)
    process.wait()
    wait_for_none_left(runs)


def stop_when(runs: Path, stage: str, moment: Callable[[], bool], number: signal.Signals, *more: str) -> subprocess.CompletedProcess[str]:
    """Start the stage and send the signal to its process group as soon as `moment()` is true; returns when none of it is left."""
    process = subprocess.Popen(
        command(stage, "--hw", "cpu", *more), env=environment(runs), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    while not moment():
        assert process.poll() is None, "it ended before the moment came"
        time.sleep(0.0005)
    os.killpg(process.pid, number)
    out, err = process.communicate()
    wait_for_none_left(runs)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def wait_for_none_left(runs: Path) -> None:
    deadline = time.monotonic() + 10
    while alive := _processes_naming(str(runs)):
        assert time.monotonic() < deadline, f"left over: {alive}"
        time.sleep(0.01)


def _processes_naming(text: str) -> list[str]:
    """Command lines, or environments, of living processes that name the folder."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int(folder.name) != os.getpid() and text.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_text())
        except OSError:  # it ended while we looked, or is another user's
            continue
    return [line for line in found if line]


def metrics(runs: Path, phase: int, partial: bool = False) -> list[Row]:
    """Rows of the phase without what a clock or the machine decides."""
    folder = runs / "kishi-tiny" / f"pretrain-phase{phase}{'.partial' if partial else ''}"
    return [{key: value for key, value in row.items() if key not in _TIMES} for row in read_rows(folder / "metrics.jsonl")]


def partial_checkpoints(runs: Path, phase: int) -> Path:
    return runs / "kishi-tiny" / f"pretrain-phase{phase}.partial" / "checkpoints"


def last_step(runs: Path, phase: int) -> int:
    """Newest step in the metrics of the unfinished phase; 0 when there is none yet."""
    path = partial_checkpoints(runs, phase).parent / "metrics.jsonl"
    try:
        return max((row["step"] for row in read_rows(path) if "loss" in row), default=0)
    except (OSError, ValueError):  # not there yet, or its last line is being written
        return 0
