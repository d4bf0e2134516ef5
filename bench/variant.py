"""One variant of bench/throughput.py, in a process of its own: `python -m bench.variant FOLDER` reads the request in the folder and leaves
the figures there."""

import json
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from kishi import failure
from kishi.errors import KishiError
from kishi.jsonl import write_json
from kishi.processes import die_with_parent
from kishi.special_tokens import PAD, SPECIAL_IDS
from recipes.base import shape
from recipes.estimate import flops_per_token
from recipes.hardware import Hardware
from recipes.loading import load_hardware, load_recipe
from recipes.schema import Recipe

REQUEST, FIGURES, TIMES, PROFILE = "request.json", "figures.json", "times.json", "profile.txt"
_FAR = 10**9  # steps: never reached
_DOCUMENT = 1024  # tokens


@dataclass(frozen=True)
class Request:
    """What to run. `engine` is "kishi" or "peer"; `changes` and `hardware_changes` are `key=value` of the recipe and the overlay."""

    name: str
    engine: str
    recipe: str
    overlay: str
    changes: tuple[str, ...]
    hardware_changes: tuple[str, ...]
    warm_up: int
    steps: int
    profiled: int

    @classmethod
    def read(cls, folder: Path) -> Self:
        """What bench/throughput.py wrote."""
        values = json.loads((folder / REQUEST).read_bytes())
        read: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
        return cls(**read)

    @property
    def all_steps(self) -> int:
        """Until the variant is done with."""
        return self.warm_up + self.steps + self.profiled

    def load(self) -> tuple[Recipe, Hardware]:
        """The recipe in which nothing but training steps happens, and the overlay. Raises RecipeError."""
        own = {
            "pretrain.phases.0.steps": self.all_steps + 1,
            "pretrain.warmup_steps": self.all_steps,  # the learning rate rises all the while: random text must not diverge
            "pretrain.evaluate_every": _FAR,
            "pretrain.checkpoint_every": _FAR,
            "pretrain.sample_tokens": 1,
            "pretrain.questions": 0,  # the tokenizer of write_index has no words for them
        }
        recipe = load_recipe(Path(self.recipe), [*self.changes, *(f"{key}={value}" for key, value in own.items())])
        return recipe, load_hardware(self.overlay, self.hardware_changes)


def random_tokens(vocab_size: int, count: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """Token ids whose frequencies fall as 1/rank, as those of text do."""
    weights = 1 / np.arange(1, vocab_size + 1)
    return np.random.default_rng(seed).choice(vocab_size, count, p=weights / weights.sum()).astype(np.uint16)


def write_index(folder: Path, recipe: Recipe, samples: int) -> None:
    """What the index stage leaves, of random tokens, and a tokenizer that knows no words: nothing is said about the text."""
    import torch
    from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder
    from tokenizers import Tokenizer, models

    folder.mkdir(parents=True)
    documents = samples * recipe.pretrain.sequence_length // _DOCUMENT + 1
    tokens = torch.from_numpy(random_tokens(recipe.tokenizer.vocab_size, documents * _DOCUMENT).astype(np.int32))
    builder = IndexedDatasetBuilder(str(folder / "random.bin"), dtype=np.uint16)
    for document in tokens.view(documents, _DOCUMENT):
        builder.add_document(document, [_DOCUMENT])
    builder.finalize(str(folder / "random.idx"))
    write_json(folder / "heldout.json", {"clean": {}})
    Tokenizer(models.WordLevel(SPECIAL_IDS, unk_token=PAD)).save(str(folder / "tokenizer.json"))


def train(request: Request, recipe: Recipe, hardware: Hardware, folder: Path) -> dict[str, Any]:
    """Times of the stage's own workers, with bench/step_times.py watching."""
    from train.launch import run_workers
    from train.plan import Plan

    index, stage = folder / "index", folder / "stage"
    write_index(index, recipe, (request.all_steps + 1) * recipe.pretrain.global_batch_size)
    stage.mkdir()
    (stage / ".tokenizer.json").write_bytes((index / "tokenizer.json").read_bytes())
    blend = {"prefixes": ["random"], "weights": [1]}
    plan = Plan(recipe, hardware, 1, stage, index, None, 0, blend)
    code, tail = run_workers(plan, "bench.step_times")
    if code:
        raise failure.read(stage, tail)
    return json.loads((folder / TIMES).read_bytes()) | {"micro_batch_size": plan.micro_batch_size}


def figures(recipe: Recipe, hardware: Hardware, times: dict[str, Any]) -> dict[str, Any]:
    """From seconds of each step: median, half the range of the middle half, tokens a second, share of the peak."""
    seconds = times.pop("seconds")
    tokens = recipe.pretrain.global_batch_size * recipe.pretrain.sequence_length
    median = statistics.median(seconds)
    quarters = statistics.quantiles(seconds, n=4) if len(seconds) > 1 else [median] * 3
    flops = flops_per_token(recipe)
    peak = hardware.peak_tflops and hardware.peak_tflops * 1e12 * hardware.world_size
    return {
        "parameters": shape(recipe).parameters(recipe.tokenizer.vocab_size),
        "processes": hardware.world_size,
        "precision": hardware.precision,
        "tokens_per_step": tokens,
        "timed_steps": len(seconds),
        "ms_per_step": round(median * 1e3, 2),
        "ms_spread": round((quarters[2] - quarters[0]) / 2 * 1e3, 2),
        "ms_all": [round(value * 1e3, 1) for value in seconds],
        "tokens_per_second": round(tokens / median),
        "flops_per_token": flops,
        "mfu": peak and round(tokens / median * flops / peak, 5),
        **times,
    }


def main(folder: Path) -> None:
    """Measure what the request in the folder asks for."""
    die_with_parent()
    request = Request.read(folder)
    recipe, hardware = request.load()
    if request.engine == "peer":
        from bench.peer_pretrain import measure

        times = measure(request, recipe, hardware, folder)
    else:
        times = train(request, recipe, hardware, folder)
    asked = {"engine": request.engine, "recipe": request.recipe, "overlay": request.overlay}
    changes = {"changes": [*request.changes, *(f"hw.{change}" for change in request.hardware_changes)]}
    write_json(folder / FIGURES, {**asked, **changes, **figures(recipe, hardware, times)})


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except KishiError as error:
        sys.exit(error.message())
