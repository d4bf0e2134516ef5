"""Pretraining killed with SIGKILL and started again, beside an undisturbed run, on this machine's engine.

    python -m bench.resume recipes/kishi-tiny.yaml --hw 1xh100 --kill-after 55 --out RECORD
    python -m bench.resume recipes/kishi-tiny.yaml --hw 2xh100 --again-on 1xh100 --out RECORD

Needs the recipe's data, tokenizer and index stages to be done. Each run has a copy of the working folder in a temporary place. Where
Transformer Engine is installed, a third run leaves it out, so that the two attention paths stand side by side.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.record import write_record
from recipes.hardware import OVERLAYS
from recipes.loading import load_recipe

STAGE = "pretrain-phase1"
NEEDED = ("data", "tokenizer", "index")
console = Console(highlight=False, width=140)
Rows = list[dict[str, Any]]


def copy_of(folder: Path, name: str, run: str) -> Path:
    """The code and what the stage reads."""
    target = folder / name
    shutil.copytree(".", target, ignore=shutil.ignore_patterns(".git", ".*", "runs", "node_modules"))
    for stage in NEEDED:
        shutil.copytree(Path("runs") / run / stage, target / "runs" / run / stage)
    return target


def command(recipe: Path, overlay: str) -> list[str]:
    """The stage's own command."""
    return [sys.executable, "-m", "recipes.run", str(recipe), STAGE, "--hw", overlay]


def train(folder: Path, recipe: Path, overlay: str) -> float:
    """Run the stage to its end; seconds."""
    begin = time.monotonic()
    done = subprocess.run(command(recipe, overlay), cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{folder.name}: {done.stdout[-2000:]}{done.stderr[-4000:]}")
    return round(time.monotonic() - begin, 1)


def train_and_kill(folder: Path, recipe: Path, overlay: str, run: str, steps: int) -> int:
    """Kill the stage and all its processes once that many steps are on file; how many were."""
    metrics = folder / "runs" / run / f"{STAGE}.partial" / "metrics.jsonl"
    process = subprocess.Popen(command(recipe, overlay), cwd=folder, stdout=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None and len(losses(metrics)) < steps:
        time.sleep(0.05)
    if process.poll() is not None:
        raise SystemExit(f"{folder.name}: ended before {steps} steps")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(3)  # the workers die with their parent; their GPU memory is given back a moment later
    return len(losses(metrics))


def rows_of(metrics: Path) -> Rows:
    """Whole lines only: the last one may be half written."""
    if not metrics.is_file():
        return []
    return [json.loads(line) for line in metrics.read_bytes().split(b"\n")[:-1]]


def losses(metrics: Path) -> dict[int, float]:
    """Loss by step."""
    return {row["step"]: row["loss"] for row in rows_of(metrics) if "loss" in row}


def figures(metrics: Path) -> dict[str, Any]:
    """First and last loss, bits per byte, median speed."""
    rows = rows_of(metrics)
    steps, measured = [row for row in rows if "loss" in row], [row["bits_per_byte"] for row in rows if "bits_per_byte" in row]
    return {
        "steps": len(steps),
        "loss": [steps[0]["loss"], steps[-1]["loss"]],
        "bits_per_byte": [measured[0], measured[-1]],
        "tokens_per_second": round(statistics.median(row["tokens_per_second"] for row in steps)),
    }


def largest_difference(one: dict[int, float], other: dict[int, float]) -> float:
    """Over all steps, which must be the same ones."""
    assert one.keys() == other.keys(), "the runs did not do the same steps"
    return round(max(abs(one[step] - other[step]) for step in one), 6)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="kill pretraining, start it again, compare")
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--hw", required=True)
    parser.add_argument("--again-on", help="overlay that the killed run goes on with, e.g. fewer processes; default: the same")
    parser.add_argument("--kill-after", type=int, default=55, help="steps")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    run = load_recipe(options.recipe).name
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        whole, cut = (copy_of(Path(temporary), name, run) for name in ("undisturbed", "killed"))
        metrics = {name: Path(temporary) / name / "runs" / run / STAGE / "metrics.jsonl" for name in ("undisturbed", "killed", "torch")}
        seconds = train(whole, options.recipe, options.hw)
        result["undisturbed"] = {**figures(metrics["undisturbed"]), "seconds": seconds}
        killed_at = train_and_kill(cut, options.recipe, options.hw, run, options.kill_after)
        train(cut, options.recipe, options.again_on or options.hw)
        result["killed"] = {**figures(metrics["killed"]), "killed_after_steps": killed_at, "went_on_with": options.again_on or options.hw}
        result["largest_loss_difference"] = largest_difference(losses(metrics["undisturbed"]), losses(metrics["killed"]))
        if find_spec("transformer_engine"):
            plain = copy_of(Path(temporary), "torch", run)
            overlay = (OVERLAYS / f"{options.hw}.yaml").read_text().replace("attention: auto", "attention: sdpa")
            (plain / OVERLAYS / "torch.yaml").write_text(overlay)
            train(plain, options.recipe, "torch")
            result["torch attention"] = figures(metrics["torch"])
    for name, row in result.items():
        console.print(name, row)
    write_record(options.out, "resume", result)


if __name__ == "__main__":
    main()
