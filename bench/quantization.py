"""Record: what each way of quantising costs in each language, and what calibration in the languages of the model is worth.

python -m bench.quantization RECIPE --out bench/records/... [--hw OVERLAY] [--set key=value ...] [--source STAGE] [--jobs N] [--prepare]

Needs the chat model and the data of the recipe's run (KISHI_RUNS, default runs/). Makes the GGUF types and the other methods, measures
all of them (stage `eval-quantized`), then makes some of them again with calibration text in English only and with none. `--prepare` stops
before measuring, so that speed can be taken on a quiet machine. What is finished is not made again.
"""

import argparse
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console
from tokenizers import Tokenizer

from bench.record import write_record
from eval import held_out, side_by_side
from eval.evaluate import quiet
from eval.held_out import HeldOut
from eval.quantized import Form, document_losses, each, opened
from eval.rise import rise
from kishi.jsonl import write_json
from quantize.gguf import make_files
from recipes.hardware import Hardware, default_overlay
from recipes.job import CHAT_MODELS, Job
from recipes.loading import load_hardware, load_recipe, split_changes
from recipes.runner import folder_of, run_stage
from recipes.schema import Recipe
from recipes.schema_quantize import METHODS
from recipes.stages import Stage, chain

TYPES = ("F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_NL", "IQ4_XS", "Q4_0")
COMPARED_TYPES, COMPARED_METHODS = ("Q4_K_M", "IQ4_XS", "Q4_0"), ("gptq", "awq")
console = Console(highlight=False, width=160)


def whole(path: Path, changes: Sequence[str]) -> Recipe:
    """The recipe with every type and every method; `changes` come last."""
    named = load_recipe(path, changes).quantize.methods  # with settings of their own
    every = [f"gguf.types={json.dumps(TYPES)}", *(f"quantize.{name}={{}}" for name in METHODS if name not in named)]
    return load_recipe(path, [*every, *changes])


def variants(recipe: Recipe) -> Iterator[tuple[str, Recipe]]:
    """Calibration in English only, and GGUF files without an importance matrix."""
    calibration = recipe.quantize.calibration.model_copy(update={"mix": {"en": 1.0}})
    yield "english", recipe.model_copy(update={"quantize": recipe.quantize.model_copy(update={"calibration": calibration})})
    yield "none", recipe.model_copy(update={"gguf": recipe.gguf.model_copy(update={"importance_matrix": False})})


def variants_of(job: Job) -> dict[str, Callable[[], dict[str, Form]]]:
    """What to make beside the recipe's own: name -> call that gives forms by name; kept from an earlier run with the same calibration."""
    calls: dict[str, Callable[[], dict[str, Form]]] = {}
    for label, recipe in variants(job.recipe):
        calls[f"gguf, {label}"] = partial(_files, label, replace(job, recipe=recipe, folder=job.folder / label))
        for name in (one for one in COMPARED_METHODS if label == "english" and one in recipe.quantize.methods):
            calls[f"{name}, {label}"] = partial(_folder, name, label, replace(job, recipe=recipe, folder=job.folder / label / name))
    return calls


def _files(label: str, job: Job) -> dict[str, Form]:
    job.folder.mkdir(parents=True, exist_ok=True)
    recipe = job.recipe.model_copy(update={"gguf": job.recipe.gguf.model_copy(update={"types": COMPARED_TYPES})})
    files = make_files(replace(job, recipe=recipe), job.chat_model)
    return {f"gguf-{kind}, {label}": Form(files[kind], 0.0) for kind in COMPARED_TYPES}


def _folder(name: str, label: str, job: Job) -> dict[str, Form]:
    if not (job.folder / "facts.json").is_file():
        job.folder.mkdir(parents=True, exist_ok=True)
        write_json(job.folder / "facts.json", import_module(f"quantize.{name}").run(job))
    return {f"{name}, {label}": Form(job.folder / "model", 0.0)}


def _stage(stage: Stage, recipe: Recipe, hardware: Hardware) -> dict[str, Form]:
    run_stage(stage, recipe, hardware)
    return {}


def stages_of(recipe: Recipe, source: str | None) -> dict[str, Stage]:
    """The chain's; with `source` what is quantised is that stage's model instead of the last chat model."""
    stages = chain(recipe)
    if source is None:
        return stages
    last = stages["gguf"].inputs[0]
    return {name: replace(stage, inputs=tuple(source if one == last else one for one in stage.inputs)) for name, stage in stages.items()}


def make(stages: dict[str, Stage], job: Job, jobs: int) -> dict[str, Form]:
    """All stages and variants, so many at once; the variants' forms. What takes longest, `gguf` and `qat`, begins first."""
    calls: dict[str, Callable[[], dict[str, Form]]] = {
        name: partial(_stage, stages[name], job.recipe, job.hardware) for name in ("gguf", *reversed(job.recipe.quantize.methods))
    }
    calls |= variants_of(job)
    made = side_by_side.run({}, calls, jobs, "make")
    return {name: form for forms in made.values() for name, form in forms.items()}


def compare_calibration(job: Job, made: dict[str, Form], reference: dict[str, list[float]]) -> dict[str, Any]:
    """Rise in percent by form and language."""
    tokenizer = Tokenizer.from_file(str(job.inputs["tokenizer"] / "tokenizer.json"))
    texts = held_out.load(job.inputs["data"], tokenizer, job.recipe.languages, job.recipe.quantize.heldout_tokens)
    found = each(made, job, partial(_losses, texts=texts))
    return {name: {language: rise(values, reference[language]) for language, values in nats.items()} for name, nats in found.items()}


def _losses(name: str, form: Form, job: Job, texts: dict[str, HeldOut]) -> dict[str, list[float]]:
    with opened(form, job) as (model, _):
        return document_losses(name, model, job, texts)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="what quantising costs, by method and language")
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--hw", default=default_overlay())
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--source", choices=("export-hf", *CHAT_MODELS), help="quantise this stage's model; default: the last chat model")
    parser.add_argument("--jobs", type=int, default=1, help="stages and methods that are made at once")
    parser.add_argument("--prepare", action="store_true", help="make everything, measure nothing")
    options = parser.parse_args()
    changes, hardware_changes = split_changes(options.set)
    recipe, hardware = whole(options.recipe, changes), load_hardware(options.hw, hardware_changes)
    stages = stages_of(recipe, options.source)
    measuring = stages["eval-quantized"]
    work = folder_of(recipe, "calibration-compared")
    job = Job(recipe, hardware, work, {name: folder_of(recipe, name) for name in measuring.inputs})
    made = make(stages, job, options.jobs)
    if options.prepare:
        return
    facts = run_stage(measuring, recipe, hardware).facts
    folder = folder_of(recipe, "eval-quantized")
    quiet()
    compared = compare_calibration(job, made, _reference(folder))
    named = (*(f"gguf-{kind}" for kind in COMPARED_TYPES), *COMPARED_METHODS)
    mixed = {name: facts["models"][name]["rise_percent"] for name in named if name in facts["models"]}
    figures = {**facts, "calibration": {**{f"{name}, {'+'.join(recipe.calibration_mix)}": row for name, row in mixed.items()}, **compared}}
    write_record(options.out, "quantization", figures, settings=_settings(recipe, hardware, job.chat_model))
    shutil.copyfile(folder / "documents.jsonl", options.out / "documents.jsonl")
    show(figures)


def _reference(folder: Path) -> dict[str, list[float]]:
    rows = [json.loads(line) for line in (folder / "documents.jsonl").read_text(encoding="utf-8").splitlines()]
    found: dict[str, list[float]] = next(row["nats"] for row in rows if row["model"] == "bf16")
    return found


def _settings(recipe: Recipe, hardware: Hardware, model: Path) -> dict[str, Any]:
    return {
        "recipe": recipe.name,
        "model": model.as_posix(),
        "quantize": recipe.quantize.model_dump(mode="json"),
        "threads": hardware.threads,
    }


def show(figures: dict[str, Any]) -> None:
    """The table in words, for the log."""
    for name, row in figures["models"].items():
        speeds = " ".join(f"{device} {speed:.0f} tokens/s" for device, speed in row["tokens_per_second"].items())
        console.print(f"{name:14} {row['bytes'] / 1e6:8.2f} MB {row['bits_per_weight']:6.2f} bits {_rises(row['rise_percent'])} {speeds}")
    for name, rises in figures["calibration"].items():
        console.print(f"{name:30} {_rises(rises)}")


def _rises(rises: dict[str, Any]) -> str:
    return "  ".join(f"{language} {value['rise']:+7.3f} % {value['interval']}" for language, value in rises.items())


if __name__ == "__main__":
    main()
