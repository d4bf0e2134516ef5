"""Both phases of pretraining on real text, beside transformers' `Trainer` with torch.compile on the same samples, shape and steps.

    python -m bench.two_phases recipes/kishi-350m.yaml --hw 1xh100 --peer hw.micro_batch_size=16 --work WORK --out RECORD

Needs the recipe's stages `data`, `tokenizer` and `index` to be done. Ours is the recipe's own stages; the peer reads the very
samples that they read, in their order, with the recipe's schedule. Both models are then measured on the same held-out documents by the
same code. A part whose result lies in WORK is not done again (`--part` does one alone).
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from bench.record import write_record
from kishi.jsonl import read_rows, write_json
from recipes.loading import load_hardware, load_recipe, split_changes
from recipes.runner import folder_of
from recipes.schema import Recipe

PARTS = ("ours", "peer", "measure")
PHASES = ("pretrain-phase1", "pretrain-phase2")
EXPORT = "export-hf"
console = Console(highlight=False, width=140)


def run(module: str, *arguments: object) -> float:
    """A module in a process of its own; seconds. Raises SystemExit when it fails."""
    begin = time.monotonic()
    done = subprocess.run([sys.executable, "-m", module, *map(str, arguments)], check=False)
    if done.returncode:
        raise SystemExit(f"{module} ended with {done.returncode}")
    return round(time.monotonic() - begin, 1)


def ours(options: argparse.Namespace, recipe: Recipe) -> None:
    """Train, and export behind its gate; WORK/ours.json. Its speed is the median step's: one beside a checkpoint waits for the disk."""
    changes = [word for change in options.set for word in ("--set", change)]
    seconds = {stage: run("recipes.run", options.recipe, stage, "--hw", options.hw, *changes) for stage in (*PHASES, EXPORT)}
    run_folder = folder_of(recipe, EXPORT).parent
    facts = [json.loads((run_folder / stage / "manifest.json").read_bytes())["facts"] for stage in PHASES]
    rows = [row for stage in PHASES for row in read_rows(run_folder / stage / "metrics.jsonl")]
    figures = {
        "seconds": round(sum(fact["training_seconds"] for fact in facts), 1),
        "seconds_of_stages": seconds,
        "tokens": sum(fact["phase_tokens"] for fact in facts),
        "tokens_per_second": round(median(row["tokens_per_second"] for row in rows if "tokens_per_second" in row)),
        "peak_memory_bytes": max(fact["peak_memory_bytes"] for fact in facts),
        "languages": [fact["languages"] for fact in facts],
        "curve": [row for row in rows if "bits_per_byte" in row],
    }
    write_json(options.work / "ours.json", figures)


def peer(options: argparse.Namespace, recipe: Recipe) -> None:
    """Write the samples and train on them; WORK/peer.json."""
    run("bench.phase_samples", options.recipe, options.work / "samples", *split_changes(options.set)[0])
    run("bench.hf_trainer", options.recipe, options.hw, options.work / "samples", options.work / "peer", *options.set, *options.peer)
    write_json(options.work / "peer.json", json.loads((options.work / "peer" / "figures.json").read_bytes()))


def measure(options: argparse.Namespace, recipe: Recipe) -> None:
    """Bits per byte of the held-out clean documents, and what each model goes on to write; WORK/measured.json."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from eval import held_out
    from eval.hugging_face import HuggingFaceModel

    device = "cuda" if load_hardware(options.hw).device == "gpu" else "cpu"
    exported = folder_of(recipe, EXPORT) / "phase2"
    tokenizer = AutoTokenizer.from_pretrained(exported)
    length = recipe.pretrain.sequence_length
    texts = held_out.load(folder_of(recipe, "data"), tokenizer.backend_tokenizer, recipe.languages)
    found = {}
    for name, folder in (("ours", exported), ("peer", options.work / "peer" / "model")):
        loaded = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).to(device).eval()
        model = HuggingFaceModel(loaded, tokenizer, length, chat=False)
        bits = {language: text.bits_per_byte(model.negative_log_likelihood, length) for language, text in texts.items()}
        prompts = recipe.pretrain.sample_prompts
        found[name] = {"bits_per_byte": bits, "texts": {lang: prompt + model.write(prompt, 48)[0] for lang, prompt in prompts.items()}}
    write_json(options.work / "measured.json", found)


def report(options: argparse.Namespace) -> None:
    """The record and its table, of the parts that are there."""
    trained = {name: json.loads((options.work / f"{name}.json").read_bytes()) for name in ("ours", "peer")}
    measured = json.loads((options.work / "measured.json").read_bytes())
    figures = {name: {**trained[name], **measured[name]} for name in trained}
    options.out.mkdir(parents=True, exist_ok=True)
    write_record(options.out, "two phases", figures)
    table = Table("", "tokens", "seconds", "tokens/s", *(f"bits/byte {language}" for language in measured["ours"]["bits_per_byte"]))
    for name, row in figures.items():
        bits = [f"{value:.4f}" for value in row["bits_per_byte"].values()]
        table.add_row(name, f"{row['tokens']:,}", f"{row['seconds']:.0f}", f"{row['tokens_per_second']:,}", *bits)
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="pretrain on real text, beside Hugging Face's Trainer")
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--hw", required=True, help="overlay, for both; the peer runs in one process")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change of the recipe or overlay, for both")
    parser.add_argument("--peer", action="append", default=[], metavar="KEY=VALUE", help="change for the peer alone")
    parser.add_argument("--part", choices=PARTS, help="only this one; without it all, and the record")
    parser.add_argument("--work", type=Path, required=True, help="folder for samples and models")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    recipe = load_recipe(options.recipe, split_changes(options.set)[0])
    options.work.mkdir(parents=True, exist_ok=True)
    for part, result, function in (("ours", "ours", ours), ("peer", "peer", peer), ("measure", "measured", measure)):
        if options.part in (None, part) and not (options.work / f"{result}.json").is_file():
            function(options, recipe)
    if not options.part:
        report(options)


if __name__ == "__main__":
    main()
