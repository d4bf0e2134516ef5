"""A checkpoint of a phase that may still be training, as a Hugging Face folder, behind the parity gate of the export stage.

    python -m conversion.export_checkpoint runs/RECIPE [--phase N] [--step N] [--out FOLDER]

By default the newest whole checkpoint. Runs on the CPU and touches nothing of the training: the checkpoint's files are linked (copied, on
another file system) before they are read, so that training may remove it meanwhile.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from conversion.export_hf import convert
from kishi import checkpoints, manifest
from kishi.command import command
from kishi.errors import ArtefactError
from recipes.schema import Recipe

PLAN = ".plan.json"  # what the phase was started with (train/launch.py)


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Exit code: 0 done, 1 it could not be exported."""
    parser = argparse.ArgumentParser(prog="python -m conversion.export_checkpoint", description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a recipe's stages, e.g. runs/kishi-tiny")
    parser.add_argument("--phase", type=int, choices=(1, 2), help="default: the last that has a checkpoint")
    parser.add_argument("--step", type=int, help="default: the newest whole checkpoint")
    parser.add_argument("--out", type=Path, help="default: RUN/checkpoints-hf/phaseN-step")
    options = parser.parse_args(arguments)
    export(options.run, options.phase, options.step, options.out)


def export(run: Path, phase: int | None = None, step: int | None = None, out: Path | None = None) -> Path:
    """The finished folder. Raises ArtefactError when there is no such checkpoint, ParityError when the logits differ."""
    phase, step, checkpoint = find(run, phase, step)
    out = out or run / "checkpoints-hf" / f"phase{phase}-step{step:07d}"
    if (out / "parity.json").is_file():
        Console().print(f"[green]✓[/] {out}: there already")
        return out
    if out.exists():
        raise ArtefactError("is there and is no exported checkpoint", where=out, fix="another --out")
    for name in ("tokenizer", "data"):
        manifest.read(run / name)
    recipe = _recipe(checkpoint.parent.parent)
    partial = out.with_name(f"{out.name}.partial")
    links = out.with_name(f".{out.name}.checkpoint")
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        _link(checkpoint, links)
        convert(recipe, {links: partial}, run / "tokenizer", run / "data", run / "import-hf" if recipe.base else None)
    finally:
        shutil.rmtree(links, ignore_errors=True)
    partial.rename(out)
    parity = json.loads((out / "parity.json").read_bytes())
    Console().print(f"[green]✓[/] phase {phase}, step {step}: logits differ by {parity['max_difference']:.1e} at most -> {out}")
    return out


def find(run: Path, phase: int | None, step: int | None) -> tuple[int, int, Path]:
    """(phase, step, folder) of what was asked for. Only whole checkpoints count."""
    found: dict[tuple[int, int], Path] = {}
    for number in (phase,) if phase else (1, 2):
        folders = [run / f"pretrain-phase{number}{ending}" / "checkpoints" for ending in (".partial", "")]  # .partial is being trained
        folder = next((folder for folder in folders if checkpoints.whole(folder)), None)
        if folder:
            found |= {(number, s): checkpoints.folder_of(folder, s) for s in checkpoints.whole(folder)}
    wanted = [place for place in found if step in (None, place[1])]
    if not wanted:
        there = ", ".join(f"phase {number} step {s}" for number, s in sorted(found)) or "none"
        raise ArtefactError(f"no such whole checkpoint; there is: {there}", where=run, fix="another --phase or --step, or train on")
    number, newest = max(wanted)
    return number, newest, found[number, newest]


def _recipe(stage: Path) -> Recipe:
    try:
        return Recipe.model_validate(json.loads((stage / PLAN).read_bytes())["recipe"])
    except (OSError, ValueError, KeyError) as error:
        raise ArtefactError(
            "does not say what recipe it was started with", where=stage / PLAN, fix="run the pretraining stage again"
        ) from error


def _link(checkpoint: Path, links: Path) -> None:
    """The files as they are now. Raises ArtefactError when training removed the checkpoint before all were linked."""
    shutil.rmtree(links, ignore_errors=True)
    try:
        shutil.copytree(checkpoint, links, copy_function=_link_or_copy)
    except (shutil.Error, FileNotFoundError) as error:
        raise ArtefactError("was removed just now", where=checkpoint, fix="run the command again; see pretrain.keep") from error
    if why := checkpoints.fault(links):
        raise ArtefactError(why, where=checkpoint, fix="run the command again")


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise
        shutil.copyfile(source, target)


if __name__ == "__main__":
    sys.exit(main())
