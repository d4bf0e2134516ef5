"""The whole chain of a recipe, timed: seconds of each stage, peak memory of all its processes, and what was measured.

    python -m bench.demo recipes/kishi-tiny.yaml --out RECORD

Runs in a temporary folder, from nothing, with the overlay that the machine has by default.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from bench.record import device, write_record
from recipes.loading import load_recipe
from recipes.stages import NAMES

_SECONDS_BETWEEN_LOOKS = 0.5
Run = tuple[float, int, str]


def run_chain(recipe: Path, runs: Path) -> Run:
    """Seconds, peak memory in bytes (of all processes together, a shared page counted for each), and the output."""
    command = [sys.executable, "-m", "recipes.run", str(recipe), "all"]
    begin, peak = time.monotonic(), 0
    with (runs / "log.txt").open("w+", encoding="utf-8") as log:
        process = subprocess.Popen(command, env={**os.environ, "KISHI_RUNS": str(runs)}, stdout=log, stderr=subprocess.STDOUT)
        while process.poll() is None:
            peak = max(peak, _memory(process.pid))
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        log.seek(0)
        output = log.read()
    if process.returncode:
        raise SystemExit(output[-4000:])
    return round(time.monotonic() - begin, 1), peak, output


def _memory(pid: int) -> int:
    total = 0
    for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:  # it ended just now
            continue
    return total


def figures(runs: Path, seconds: float, peak: int) -> dict[str, Any]:
    """From the manifests."""
    made = {name: json.loads((runs / name / "manifest.json").read_text()) for name in NAMES if (runs / name).is_dir()}
    return {
        "seconds": seconds,
        "peak_memory_gib": round(peak / 2**30, 2),
        "stage_seconds": {name: manifest["seconds"] for name, manifest in made.items()},
        "models": made["eval"]["facts"]["models"],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder of the record")
    options = parser.parse_args(arguments)
    before = device()
    with tempfile.TemporaryDirectory() as folder:
        seconds, peak, output = run_chain(options.recipe, Path(folder))
        found = figures(Path(folder) / load_recipe(options.recipe).name, seconds, peak)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "log.txt").write_text(output, encoding="utf-8")
    write_record(options.out, "demo", found, load_average_before=before["load_average"])
    print(f"{seconds:.0f} s, {found['peak_memory_gib']} GiB")


if __name__ == "__main__":
    main()
