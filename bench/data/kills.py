"""The data and index stages killed with SIGKILL at moments drawn by a seed, beside an undisturbed run: are the final bytes the same?

    python -m bench.data.kills RECIPE --out RECORD [--kills 10] [--seed 1] [--set KEY=VALUE ...]

RECIPE's tokenizer stage runs too, undisturbed, between the two; it is the same in both runs. Each kill hits the whole process group of
`python -m recipes.run RECIPE data index`, a random share of the undisturbed run's time after its start.
"""

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.record import write_record

STAGES = ("data", "index")
Command = list[str]


def main() -> None:
    """Run, kill, compare; write `result.json`. Exit code 1 when a byte differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    options = parser.parse_args()
    settings = [word for setting in options.settings for word in ("--set", setting)]
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder) / "whole", Path(folder) / "killed"
        for stage in STAGES:
            command = [sys.executable, "-m", "recipes.run", str(options.recipe), stage, "--hw", "cpu", *settings]
            seconds = _run(command, whole)
            at = _kill_often(command, killed, seconds, options.kills, random.Random(f"{options.seed}:{stage}"))
            same = _hashes(whole / options.recipe.stem / stage) == _hashes(killed / options.recipe.stem / stage)
            figures[stage] = {"seconds": seconds, "killed_after": at, "files": len(_hashes(whole)), "same_bytes": same}
            print(stage, figures[stage], flush=True)
            if stage == "data":
                for runs in (whole, killed):
                    _run([*command[:4], "tokenizer", *command[5:]], runs)
    write_record(options.out, "data and index killed", figures, kills=options.kills, seed=options.seed)
    sys.exit(not all(found["same_bytes"] for found in figures.values()))


def _run(command: Command, runs: Path) -> float:
    """To the end; seconds."""
    began = time.monotonic()
    done = subprocess.run(command, env={**os.environ, "KISHI_RUNS": str(runs)}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-4000:])
    return round(time.monotonic() - began, 1)


def _kill_often(command: Command, runs: Path, seconds: float, kills: int, draw: random.Random) -> list[float]:
    """That many kills, unless the stage is done before, then a run to the end. Seconds after which each kill came."""
    start = _run([*command[:4], "status"], runs)  # what a process needs before it can do anything
    after: list[float] = []
    while len(after) < kills:
        wait = start + draw.uniform(0, 1.6) * max(1.0, seconds - start) / kills
        process = subprocess.Popen(
            command,
            env={**os.environ, "KISHI_RUNS": str(runs)},
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            after.append(round(wait, 2))
            continue
        break
    _run(command, runs)
    return after


def _hashes(folder: Path) -> dict[str, str]:
    """Of all files but the manifest (it says when) and hidden ones."""
    files = {path.relative_to(folder): path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "manifest.json"}
    shown = {name: path for name, path in files.items() if not any(part.startswith(".") for part in name.parts)}
    return {str(name): hashlib.sha256(path.read_bytes()).hexdigest() for name, path in shown.items()}


if __name__ == "__main__":
    main()
