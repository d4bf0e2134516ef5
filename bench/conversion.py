"""Full-size models of the recipes' shapes: Hugging Face -> Megatron checkpoint -> Hugging Face, bit for bit, on the CPU.

    python -m bench.conversion recipes/kishi-tiny.yaml recipes/kishi-350m.yaml --out RECORD

Weights are random, norms between 0.5 and 1.5, all in fp32. Both ways are the stages' own code. Needs 4 times the model's size on disk.
The record keeps the figures of other recipes that it holds already.
"""

import argparse
import json
import resource
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from safetensors import safe_open

from bench.record import device, write_record
from conversion import import_hf, worker
from conversion.export_hf import check_parity, hugging_face_config
from conversion.tensors import check_same, places
from kishi.jsonl import write_json
from recipes.loading import load_recipe
from recipes.schema import Recipe

TOKENS = 256  # of each text that logits are compared on
TEXTS = 2


def draw(recipe: Recipe, folder: Path) -> int:
    """Write a random model of the recipe's shape; its number of weights."""
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    write_json(folder / "config.json", hugging_face_config(recipe))
    torch.manual_seed(recipe.seed)
    model: Any = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    for name, weight in model.named_parameters():
        if "norm" in name:  # ones at the start: a lost one would not show
            torch.nn.init.uniform_(weight, 0.5, 1.5)
    model.save_pretrained(folder)
    return sum(weight.numel() for weight in model.parameters())


def stored(folder: Path) -> Any:
    """Each tensor of a folder with its name, one at a time."""
    for name, path in places(folder).items():
        with safe_open(path, "pt") as tensors:
            yield name, tensors.get_tensor(name)


def round_trip(recipe: Recipe, work: Path) -> dict[str, Any]:
    """There and back. Raises ParityError when a tensor or the logits differ."""
    there, megatron, back = (work / name for name in ("there", "megatron", "back"))
    parameters = draw(recipe, there)
    generator = torch.Generator().manual_seed(recipe.seed)
    texts: list[list[int]] = torch.randint(recipe.tokenizer.vocab_size, (TEXTS, TOKENS), generator=generator).tolist()
    megatron.mkdir()
    begin = time.monotonic()
    imported = import_hf.convert(there, megatron, texts)
    middle = time.monotonic()
    write_json(back / "config.json", hugging_face_config(recipe))
    write_json(back / ".parity_ids.json", texts)
    worker.run("conversion.export_worker", [megatron / "checkpoints", back])
    exported = check_parity(back, texts, recipe.tokenizer.vocab_size)
    end = time.monotonic()
    return {
        "parameters": parameters,
        "tensors_equal_bit_for_bit": check_same(there, stored(back)),
        "import": {"seconds": round(middle - begin, 1), "max_logit_difference": imported["max_difference"]},
        "export": {"seconds": round(end - middle, 1), "max_logit_difference": exported["max_difference"]},
        "largest_logit": exported["largest_logit"],
        "tokens_compared": exported["tokens_compared"],
        "checkpoint_bytes": sum(path.stat().st_size for path in (megatron / "checkpoints").rglob("*") if path.is_file()),
        "device": device(),
        "peak_memory_of_a_process_bytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="conversion of full-size models both ways")
    parser.add_argument("recipes", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    result = arguments.out / "result.json"
    figures: dict[str, Any] = json.loads(result.read_bytes())["figures"] if result.is_file() else {}
    for path in arguments.recipes:
        work = Path(tempfile.mkdtemp())
        try:
            figures[path.stem] = round_trip(load_recipe(path), work)
        finally:
            shutil.rmtree(work)
        Console(highlight=False, width=140).print(path.stem, figures[path.stem])
    write_record(arguments.out, "Conversion both ways at full size", figures)


if __name__ == "__main__":
    main()
