"""The only entry point.

python -m recipes.run RECIPE.yaml STAGE|all|status [--phase N] [--hw OVERLAY] [--set key=value ...] [--dry-run]
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from kishi.command import command
from kishi.errors import RecipeError
from kishi.processes import take_forks_along
from kishi.signals import end_on_stop
from recipes.estimate import ASSUMED_MFU, estimate, micro_batch_of
from recipes.hardware import Hardware, default_overlay
from recipes.loading import load_hardware, load_recipe, split_changes
from recipes.runner import console, folder_of, run_stage, state
from recipes.schema import Recipe
from recipes.stages import NAMES, Stage, chain, of_all
from recipes.summary import print_summary

_CHANGES = "change the recipe, e.g. tokenizer.vocab_size=4096, or with hw. the overlay, e.g. hw.gpu_hour_price=2.5"
COMMANDS = ("all", "status", "pretrain", *NAMES)


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 done, 1 a stage could not go on, 2 wrong recipe or command line, 75 stopped by a signal (docs/slurm.md)."""
    options = _parse(arguments)
    changes, hardware_changes = split_changes(options.set)
    recipe = load_recipe(options.recipe, changes)
    hardware = load_hardware(options.hw or default_overlay(), hardware_changes)
    return _execute(options, recipe, hardware)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m recipes.run", description="Run a recipe, whole or stage by stage.")
    parser.add_argument("recipe", type=Path, help="a file of recipes/")
    parser.add_argument("stage", choices=COMMANDS, metavar="stage", help=f"one of: {', '.join(COMMANDS)}")
    parser.add_argument("--phase", type=int, choices=(1, 2), help="of pretrain")
    parser.add_argument("--hw", help="overlay of nemo_configs/ (default: by the machine)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=_CHANGES)
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    return parser.parse_args(arguments)


def _execute(options: argparse.Namespace, recipe: Recipe, hardware: Hardware) -> int:
    if options.stage == "status":
        _print_status(recipe)
        return 0
    stages = _chosen(options.stage, options.phase, recipe)
    if options.dry_run:
        _print_plan(stages, recipe, hardware)
        return 0
    for stage in stages:
        run_stage(stage, recipe, hardware)
    if options.stage == "all":
        print_summary(console, folder_of(recipe, "report").parent)
    return 0


def _chosen(name: str, phase: int | None, recipe: Recipe) -> list[Stage]:
    if phase and name != "pretrain":
        raise RecipeError(f"--phase belongs to pretrain, not to {name}", where="command line")
    if name == "all":
        return of_all(recipe)
    stages = chain(recipe)
    if name == "pretrain":
        return [stages[f"pretrain-phase{n}"] for n in ([phase] if phase else [1, 2])]
    if name not in stages:
        raise RecipeError(
            f"{name} is no stage of this recipe, which lacks the section for it", where="command line", fix=f"one of: {', '.join(stages)}"
        )
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
    console.print(f"on {_devices(hardware)}, {hardware.precision}, micro-batch {micro_batch_of(recipe, hardware)}")
    console.print(f"pretraining needs about {found.memory / 1e9:.1f} GB on each, without what the libraries take")
    if found.hours is not None:
        console.print(f"and {found.hours:.3g} hours, if it reaches {ASSUMED_MFU:.0%} of {hardware.peak_tflops:g} TFLOP/s (assumed)")
    if found.cost is not None:
        console.print(f"which cost {found.cost:,.0f} at {hardware.gpu_hour_price:g} an hour of each")
    for stage in stages:
        word, why = state(stage, recipe)
        console.print(f"  {stage.name}: {word} ({why}) -> {folder_of(recipe, stage.name)}")


def _devices(hardware: Hardware) -> str:
    one = f"{hardware.processes} x {hardware.device}"
    return f"{hardware.nodes} machines with {one} each" if hardware.nodes > 1 else one


if __name__ == "__main__":
    take_forks_along()
    end_on_stop()
    sys.exit(main())
