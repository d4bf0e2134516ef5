"""What the chat stages share: trainer arguments, quiet libraries, an order of examples for any number of processes, resume after a kill."""

import math
import os
import warnings
from pathlib import Path
from typing import Any

import datasets
import torch
import transformers
from transformers.trainer_callback import PrinterCallback

from kishi.rank import is_main
from posttrain.checkpoints import MarkComplete, is_last, newest_complete
from posttrain.heldout import Heldout, Measure
from posttrain.launch import share_of
from posttrain.order import FullBatches
from posttrain.record import Recorder
from recipes.hardware import Hardware
from recipes.job import Job
from recipes.schema_posttrain import Training

SAVES = 4
PASS_TOKENS = 16_384  # of one pass on a GPU, at most: what some 400M parameters and a vocabulary of 64k leave room for on a large one


def prepare(hardware: Hardware) -> None:
    """Threads as the overlay says; no bars and no warnings of libraries that the reader of the output can do nothing about."""
    if hardware.threads:
        torch.set_num_threads(hardware.threads)
    if hardware.device == "gpu" and hardware.world_size == 1:
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")  # the trainer takes all it sees, and TRL refuses more than one
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    warnings.filterwarnings("ignore", module=r"(trl|transformers|torch|accelerate|datasets|peft)\b")


def micro_batch(batch: int, most: int) -> int:
    """The largest part of the batch that is at most `most` and divides it, so that each step sees exactly `batch` examples."""
    return max(size for size in range(1, min(batch, most) + 1) if batch % size == 0)


def steps_in(examples: int, epochs: float, batch: int) -> int:
    """Optimiser steps of the whole training, as the trainer counts them."""
    return math.ceil(epochs * math.ceil(examples / batch))


def evaluation_interval(steps: int) -> int:
    """Steps between two measurements, and on a CPU between two checkpoints: four a run."""
    return max(1, steps // SAVES)


def arguments(job: Job, section: Training, steps: int, rows: int, limit: int, sequences: int = 1) -> dict[str, Any]:
    """Arguments of TRL's configurations. A step sees `rows` rows on any hardware; the overlay only decides in how many parts and processes
    it is done.

    `limit`: tokens of a sequence, at most; `sequences`: those that go through the model for one row (2 for a pair).
    """
    hardware = job.hardware
    share = share_of(rows, hardware)
    micro = micro_batch(share, max(1, min(hardware.micro_batch_size, PASS_TOKENS // limit) // sequences))
    schedule: dict[str, Any] = {
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": share // micro,
        "per_device_eval_batch_size": micro,
        "learning_rate": section.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": max(1, steps // 20),
        "max_steps": steps,
        "seed": job.recipe.seed,
    }
    place: dict[str, Any] = {
        "output_dir": str(job.folder / ".checkpoints"),
        "use_cpu": hardware.device == "cpu",
        "bf16": hardware.precision == "bf16",
        "gradient_checkpointing": False,
        "dataloader_num_workers": hardware.data_workers,
        "dataloader_pin_memory": hardware.device != "cpu",
        "ddp_find_unused_parameters": False,
    }
    record: dict[str, Any] = {
        "logging_steps": 1,
        "include_num_input_tokens_seen": "non_padding",
        "save_strategy": "steps",
        "save_steps": evaluation_interval(steps) * (2 if hardware.device == "gpu" else 1),  # gigabytes each; steps are quick there
        "save_total_limit": 2,
        "eval_strategy": "no",  # what is measured on held-out examples is in heldout.py
        "report_to": "none",
        "disable_tqdm": True,
    }
    return schedule | place | record


def keep_order(trainer: Any, batch: int) -> None:
    """Have the trainer see its rows in the order of `FullBatches`."""
    trainer._get_train_sampler = lambda *_: FullBatches(len(trainer.train_dataset), batch, trainer.args.seed)


def train(trainer: Any, folder: Path, title: str, measure: Measure | None = None) -> int:
    """Run to the end, from the newest complete checkpoint if there is one; write `metrics.jsonl`. Returns the number of steps.

    `measure` is called in the first process alone, so it must not wait for the others.
    """
    trainer.remove_callback(PrinterCallback)  # it prints dictionaries
    checkpoint = newest_complete(folder / ".checkpoints")
    if checkpoint and is_last(checkpoint):
        trainer._load_from_checkpoint(str(checkpoint))
        return int(checkpoint.name.rpartition("-")[2])
    if is_main():
        trainer.add_callback(Recorder(folder, title))
        if measure:
            trainer.add_callback(Heldout(folder, evaluation_interval(trainer.args.max_steps), measure))
    trainer.add_callback(MarkComplete())
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return int(trainer.state.global_step)
