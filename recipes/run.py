"""The only entry point.

python -m recipes.run RECIPE.yaml STAGE|all|status [--phase N] [--hw OVERLAY] [--set key=value ...] [--dry-run]
"""

import argparse
import errno
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from kishi.errors import KishiError, RecipeError
from recipes.estimate import ASSUMED_MFU, estimate
from recipes.hardware import Hardware, default_overlay
from recipes.loading import load_hardware, load_recipe
from recipes.runner import console, folder_of, run_stage, state
from recipes.schema import Recipe
from recipes.stages import NAMES, Stage, chain
from recipes.summary import print_summary

COMMANDS = ("all", "status", "pretrain", *NAMES)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 done, 1 a stage could not go on, 2 wrong recipe or command line."""
    try:
        options = _parse(arguments)
        recipe = load_recipe(options.recipe, options.set)
        hardware = load_hardware(options.hw or default_overlay())
        return _execute(options, recipe, hardware)
    except KishiError as error:
        print(error.message(), file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(f"the disk is full: {error}\n  -> free some space and run the same command again; finished stages are kept", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from here", file=sys.stderr)
        return 130


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m recipes.run", description="Run a recipe, whole or stage by stage.")
    parser.add_argument("recipe", type=Path, help="a file of recipes/")
    parser.add_argument("stage", choices=COMMANDS, metavar="stage", help=f"one of: {', '.join(COMMANDS)}")
    parser.add_argument("--phase", type=int, choices=(1, 2), help="of pretrain")
    parser.add_argument("--hw", help="overlay of nemo_configs/ (default: by the machine)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe, e.g. tokenizer.vocab_size=4096")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    return parser.parse_args(arguments)


def _execute(options: argparse.Namespace, recipe: Recipe, hardware: Hardware) -> int:
    if options.stage == "status":
        _print_status(recipe)
        return 0
    stages = _chosen(options.stage, options.phase, chain(recipe))
    if options.dry_run:
        _print_plan(stages, recipe, hardware)
        return 0
    for stage in stages:
        run_stage(stage, recipe, hardware)
    if options.stage == "all":
        print_summary(console, folder_of(recipe, "report").parent)
    return 0


def _chosen(name: str, phase: int | None, stages: dict[str, Stage]) -> list[Stage]:
    if phase and name != "pretrain":
        raise RecipeError(f"--phase belongs to pretrain, not to {name}", where="command line")
    if name == "all":
        return list(stages.values())
    if name == "pretrain":
        return [stages[f"pretrain-phase{n}"] for n in ([phase] if phase else [1, 2])]
    if name not in stages:
        raise RecipeError(f"{name} is a stage of recipes with a `base` only", where="command line", fix=f"one of: {', '.join(stages)}")
    return [stages[name]]


def _print_status(recipe: Recipe) -> None:
    table = Table("stage", "state", "", title=f"runs/{recipe.name}", title_justify="left")
    colours = {"done": "green", "stale": "yellow", "missing": "dim", "partial": "yellow", "broken": "red"}
    for stage in chain(recipe).values():
        word, why = state(stage, recipe)
        table.add_row(stage.name, f"[{colours[word]}]{word}[/]", why)
    console.print(table)


def _print_plan(stages: list[Stage], recipe: Recipe, hardware: Hardware) -> None:
    found = estimate(recipe, hardware)
    console.print(
        f"{recipe.name}: {found.parameters / 1e6:.2f}M parameters, {sum(found.tokens):,} training tokens, {found.flops:.3g} FLOPs"
    )
    console.print(f"phase 1: {found.tokens[0]:,} tokens, phase 2: {found.tokens[1]:,}")
    console.print(f"on {hardware.processes} x {hardware.device}, {hardware.precision}, micro-batch {hardware.micro_batch_size}")
    console.print(f"pretraining needs about {found.memory / 1e9:.1f} GB on each, without what the libraries take")
    if found.hours is not None:
        console.print(f"and {found.hours:.2g} hours, if it reaches {ASSUMED_MFU:.0%} of {hardware.peak_tflops:g} TFLOP/s (assumed)")
    for stage in stages:
        word, why = state(stage, recipe)
        console.print(f"  {stage.name}: {word} ({why}) -> {folder_of(recipe, stage.name)}")


if __name__ == "__main__":
    sys.exit(main())
