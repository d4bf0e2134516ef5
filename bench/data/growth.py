"""Memory and time of the whole data stage as the text grows, in one process a size.

    python -m bench.data.growth FOLDER --out RECORD [--megabytes 10 30 100]

FOLDER holds {kk,ru,en}.jsonl.zst. Beyond its own documents, text is grown from them: the words of each line in another order, so that no
two documents are alike and none is removed as a duplicate. Sizes that the record has already stay in it.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from bench.record import write_record
from data_prep.prepare import run
from kishi.jsonl import Row, read_rows, write_rows
from recipes.job import Job
from recipes.loading import load_hardware, load_recipe

SHARES = {"kk": 0.4, "ru": 0.3, "en": 0.3}  # the recipe's mix


def main() -> None:
    """Grow, run each size in a process of its own, write `result.json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--megabytes", type=float, nargs="+", default=[10, 30, 100])
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.folder, options.one)))
        return
    result = options.out / "result.json" if options.out else None
    figures = json.loads(result.read_bytes())["figures"] if result and result.exists() else {}
    for size in options.megabytes:
        with tempfile.TemporaryDirectory() as work:
            for language, share in SHARES.items():
                rows = grown(options.folder / f"{language}.jsonl.zst", size * share * 1e6)
                write_rows(Path(work) / "text" / f"{language}.jsonl.zst", rows)
            command = [sys.executable, "-m", "bench.data.growth", f"{work}/text", "--one", f"{work}/run"]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        figures[f"{size:g} MB"] = json.loads(done.stdout.splitlines()[-1])
        print(size, figures[f"{size:g} MB"], flush=True)
        if options.out:
            write_record(options.out, "data stage, growth", figures)


def grown(path: Path, size: float) -> Iterator[Row]:
    """Clean documents, then the same with the words of each line shuffled, again and again until there are `size` bytes."""
    originals = [row for row in read_rows(path) if row["tier"] == "clean" and len(row["text"]) < 20_000]
    draw, left = random.Random(1), size
    for lap in count():
        for row in originals:
            text = row["text"] if lap == 0 else "\n".join(_shuffled(draw, line) for line in row["text"].split("\n"))
            tier = "dirty" if draw.random() < 0.5 else "clean"
            yield {**row, "id": f"{row['id']}-{lap}", "text": text, "tier": tier}
            if (left := left - len(text.encode())) < 0:
                return


def _shuffled(draw: random.Random, line: str) -> str:
    words = line.split(" ")
    draw.shuffle(words)
    return " ".join(words)


def measure(folder: Path, out: Path) -> dict[str, Any]:
    """The data stage in this process alone: seconds of CPU, and the most memory that the process ever had."""
    recipe = load_recipe(Path("recipes/kishi-local.yaml"), (f"data.folder={folder}",))
    hardware = load_hardware("cpu").model_copy(update={"cpu_workers": 1})
    out.mkdir()
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    facts = run(Job(recipe, hardware, out, {}))
    after = resource.getrusage(resource.RUSAGE_SELF)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    size = sum(row["collect"].get("bytes", 0) for row in facts["sources"]) / 1e6
    return {
        "megabytes": round(size, 1),
        "cpu_seconds": round(spent, 1),
        "megabytes_a_cpu_second": round(size / spent, 2),
        "seconds": round(time.monotonic() - began, 1),
        "peak_memory_mb": round(after.ru_maxrss / 1024),
    }


if __name__ == "__main__":
    main()
