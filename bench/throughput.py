"""Speed, use of the peak, and memory of a pretraining step on this machine, for several variants side by side.

    python -m bench.throughput --out RECORD --kishi "350m recipes/kishi-350m.yaml 1xh100 hw.micro_batch_size=32" \
        --peer "350m-hf recipes/kishi-350m.yaml 1xh100 hw.micro_batch_size=16"

A variant is a name, a recipe, an overlay and changes: `key=value` of the recipe, `hw.key=value` of the overlay. `--kishi` trains it with
this repository's own stage (train/launch.py, train/worker.py) on random tokens, `--peer` with plain Hugging Face (bench/peer_pretrain.py).
Each runs in a process of its own (bench/variant.py); one that fails or takes too long is a row with its error, and the others go on.
`result.json` is written anew after each variant; logs and profiles are beside it.
"""

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.record import write_record
from bench.variant import FIGURES, PROFILE, REQUEST, Request
from kishi.jsonl import write_json
from recipes.loading import split_changes

_PACKAGES = ("torch", "megatron-core", "megatron-bridge", "transformer-engine", "nvidia-cudnn-cu13", "transformers")
console = Console(highlight=False, width=150)


@dataclass(frozen=True)
class Timing:
    """Steps of each variant: not timed, timed, and profiled after that; seconds after which it is given up."""

    warm_up: int
    steps: int
    profiled: int
    limit: float


def parse_variant(engine: str, text: str, timing: Timing) -> Request:
    """`NAME RECIPE OVERLAY [key=value ...]`."""
    name, recipe, overlay, *changes = shlex.split(text)
    own, hardware = split_changes(changes)
    return Request(name, engine, recipe, overlay, own, hardware, timing.warm_up, timing.steps, timing.profiled)


def measure(request: Request, out: Path, limit: float) -> dict[str, Any]:
    """The variant's figures, or `{"error": ...}`."""
    with tempfile.TemporaryDirectory(prefix="kishi-bench-") as temporary:
        folder = Path(temporary)
        write_json(folder / REQUEST, asdict(request))
        with (out / f"{request.name}.log").open("w", encoding="utf-8") as log:
            error = _run([sys.executable, "-m", "bench.variant", str(folder)], log, limit)
        for log_of_stage in folder.rglob(".train.log"):
            with (out / f"{request.name}.log").open("ab") as log_bytes:
                log_bytes.write(log_of_stage.read_bytes())
        if (folder / PROFILE).is_file():
            (out / f"profile-{request.name}.txt").write_bytes((folder / PROFILE).read_bytes())
        if error or not (folder / FIGURES).is_file():
            return {"error": error or "it left no figures"}
        figures: dict[str, Any] = json.loads((folder / FIGURES).read_bytes())
        return figures


def _run(command: list[str], log: Any, limit: float) -> str | None:
    """Run to the end or the limit; what went wrong, or None. Its children die with it."""
    try:
        done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return f"not done after {limit:g} s"
    if done.returncode == 0:
        return None
    lines = [line for line in Path(log.name).read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return "\n".join(lines[-4:]) or f"exit code {done.returncode}"


def table_of(rows: dict[str, dict[str, Any]]) -> Table:
    """A row a variant."""
    table = Table("variant", "params M", "micro x procs", "tokens a step", "ms a step", "+-", "tokens/s", "MFU %", "peak GB", "last loss")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, row in rows.items():
        if "error" in row:
            table.add_row(name, "", "", "", "", "", "failed", "", "", row["error"].splitlines()[-1][:40])
            continue
        table.add_row(
            name,
            f"{row['parameters'] / 1e6:.1f}",
            f"{row['micro_batch_size']} x {row['processes']}",
            f"{row['tokens_per_step']:,}",
            f"{row['ms_per_step']:.1f}",
            f"{row['ms_spread']:.1f}",
            f"{row['tokens_per_second']:,}",
            f"{100 * row['mfu']:.2f}" if row["mfu"] else "",
            f"{row['peak_memory_bytes'] / 1e9:.1f}",
            f"{row['loss'][1]:.3f}",
        )
    return table


def _software() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line. Exit code 1 when no variant could be measured."""
    parser = argparse.ArgumentParser(description="time pretraining steps of several variants")
    parser.add_argument("--kishi", dest="variants", action="append", type=lambda text: ("kishi", text), metavar="VARIANT")
    parser.add_argument("--peer", dest="variants", action="append", type=lambda text: ("peer", text), metavar="VARIANT")
    parser.add_argument("--warm-up", type=int, default=5, help="steps that are not timed (default 5)")
    parser.add_argument("--steps", type=int, default=20, help="timed steps (default 20)")
    parser.add_argument("--profile", action="store_true", help="then profile 3 more steps: profile-NAME.txt")
    parser.add_argument("--limit", type=float, default=240, help="seconds a variant may take (default 240)")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    if options.warm_up < 1 or options.steps < 1:
        parser.error("--warm-up and --steps must be at least 1")
    timing = Timing(options.warm_up, options.steps, 3 if options.profile else 0, options.limit)
    requests = [parse_variant(engine, text, timing) for engine, text in options.variants or ()]
    options.out.mkdir(parents=True, exist_ok=True)
    rows: dict[str, dict[str, Any]] = {}
    for request in requests:
        begin = time.monotonic()
        rows[request.name] = measure(request, options.out, timing.limit)
        took = time.monotonic() - begin
        row = rows[request.name]
        said = row.get("error") or f"{row['tokens_per_second']:,} tokens/s"
        console.print(f"{request.name}: {said} ({took:.0f} s)", markup=False)
        write_record(options.out, "throughput", rows, software=_software())
    table = table_of(rows)
    console.print(table)
    with (options.out / "table.txt").open("w", encoding="utf-8") as stream:
        Console(file=stream, width=150).print(table)
    if all("error" in row for row in rows.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
