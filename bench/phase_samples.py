"""The samples of both pretraining phases in the order in which the engine reads them, as arrays.

`python -m bench.phase_samples RECIPE OUT [key=value ...]`; needs the recipe's index, and no training.

In a process of its own: without a GPU Megatron-Bridge can only be imported beside a patched torch (train/cpu_engine.py).
"""

import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recipes.loading import load_hardware, load_recipe
from recipes.runner import folder_of
from recipes.schema import Recipe
from train.plan import Plan


def open_phase(plan: Plan) -> Any:
    """What Megatron would read in the phase, by number of the sample in the whole run. torch.distributed must be there."""
    from megatron.bridge.data.utils import get_dataset_provider
    from megatron.bridge.training.tokenizers.tokenizer import build_tokenizer

    from train.configure import training_config
    from train.data_order import register

    register(plan.folder, plan.blend["prefixes"])
    config = training_config(plan)
    config.dataset.tokenizer = build_tokenizer(config.tokenizer)
    config.dataset.finalize()
    end = plan.last_step * plan.recipe.pretrain.global_batch_size
    return get_dataset_provider(config.dataset)([end, 0, 0], config.dataset)[0]


def alone() -> None:
    """A process group of this process."""
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)


def plans(recipe: Recipe, out: Path) -> Iterator[Plan]:
    """Of both phases, as their stages make them: what is read depends on neither hardware nor checkpoints."""
    index = folder_of(recipe, "index").absolute()
    blends = json.loads((index / "blend.json").read_bytes())
    for number, phase in enumerate(recipe.pretrain.phases, 1):
        yield Plan(recipe, load_hardware("cpu"), number, out / f"phase{number}", index, None, 0, blends[phase.tier])


def write(recipe: Recipe, out: Path) -> None:
    """OUT/phase1.npy and phase2.npy, of shape (samples, sequence length + 1)."""
    alone()
    for plan in plans(recipe, out):
        plan.folder.mkdir(parents=True, exist_ok=True)
        data, batch = open_phase(plan), plan.recipe.pretrain.global_batch_size
        numbers = range(plan.first_step * batch, plan.last_step * batch)
        rows = np.empty((len(numbers), plan.recipe.pretrain.sequence_length + 1), dtype=np.uint32)
        for row, number in zip(rows, numbers, strict=True):
            sample = data[number]
            row[:-1], row[-1] = sample["tokens"].numpy(), sample["labels"][-1]
        np.save(out / f"phase{plan.phase}.npy", rows)


if __name__ == "__main__":
    from train.cpu_engine import engine

    path, folder, *changes = sys.argv[1:]
    with nullcontext() if torch.cuda.is_available() else engine():
        write(load_recipe(Path(path), changes), Path(folder))
