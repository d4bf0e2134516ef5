"""The samples of both pretraining phases in the order in which the engine reads them, as arrays: `python -m bench.phase_samples RUN OUT`.

In a process of its own: without a GPU Megatron-Bridge can only be imported beside a patched torch (train/cpu_engine.py).
"""

import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np

from recipes.loading import load_hardware
from train.plan import Plan

STAGES = ("pretrain-phase1", "pretrain-phase2")


def write(run: Path, out: Path) -> None:
    """OUT/phase1.npy and phase2.npy, of shape (samples, sequence length + 1): what the plans of the run's finished phases would read."""
    import torch
    from megatron.bridge.data.utils import get_dataset_provider
    from megatron.bridge.training.tokenizers.tokenizer import build_tokenizer

    from train.configure import training_config
    from train.data_order import register

    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    for stage in STAGES:
        plan = replace(Plan.load(run / stage / ".plan.json"), folder=out / stage, hardware=load_hardware("cpu"))
        plan.folder.mkdir(parents=True, exist_ok=True)
        register(plan.folder, plan.blend["prefixes"])
        config = training_config(plan)
        config.dataset.tokenizer = build_tokenizer(config.tokenizer)
        config.dataset.finalize()
        batch = plan.recipe.pretrain.global_batch_size
        first, end = plan.first_step * batch, plan.last_step * batch
        data, _, _ = get_dataset_provider(config.dataset)([end, 0, 0], config.dataset)
        rows = np.empty((end - first, plan.recipe.pretrain.sequence_length + 1), dtype=np.uint32)
        for row, number in zip(rows, range(first, end), strict=True):
            sample = data[number]
            row[:-1], row[-1] = sample["tokens"].numpy(), sample["labels"][-1]
        np.save(out / f"phase{plan.phase}.npy", rows)


if __name__ == "__main__":
    import torch

    from train.cpu_engine import engine

    with nullcontext() if torch.cuda.is_available() else engine():
        write(Path(sys.argv[1]), Path(sys.argv[2]))
