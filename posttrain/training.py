"""What SFT and DPO share: trainer arguments, quiet libraries, resume after a kill."""

import math
import warnings
from pathlib import Path
from typing import Any

import datasets
import torch
import transformers
from safetensors.torch import load_model
from transformers.trainer_callback import PrinterCallback

from posttrain.chat_data import Split
from posttrain.checkpoints import MarkComplete, is_last, newest_complete
from posttrain.record import Recorder
from recipes.hardware import Hardware
from recipes.job import Job
from recipes.schema_posttrain import Finetune

SAVES = 4


def prepare(hardware: Hardware) -> None:
    """Threads as the overlay says; no bars and no warnings of libraries that the reader of the output can do nothing about."""
    if hardware.threads:
        torch.set_num_threads(hardware.threads)
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    warnings.filterwarnings("ignore", module=r"(trl|transformers|torch|accelerate|datasets)\b")


def micro_batch(batch: int, most: int) -> int:
    """The largest part of the batch that is at most `most` and divides it, so that each step sees exactly `batch` examples."""
    return max(size for size in range(1, min(batch, most) + 1) if batch % size == 0)


def steps_in(examples: int, section: Finetune) -> int:
    """Optimiser steps of the whole training, as the trainer counts them."""
    return math.ceil(section.epochs * math.ceil(examples / section.batch_size))


def arguments(job: Job, section: Finetune, limit: int, data: Split, rows_an_example: int = 1) -> dict[str, Any]:
    """Arguments of TRL's configurations. `batch_size` is the whole batch of a step; the overlay only decides in how many parts it is done.

    `limit`: tokens of the longest example that is let in. Four checkpoints a run; a killed run goes on from the last complete one.
    """
    hardware, steps = job.hardware, steps_in(len(data.train), section)
    micro = micro_batch(section.batch_size, max(1, hardware.micro_batch_size // rows_an_example))
    every = max(1, steps // SAVES)
    schedule: dict[str, Any] = {
        "num_train_epochs": section.epochs,
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": section.batch_size // micro,
        "per_device_eval_batch_size": micro,
        "learning_rate": section.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": max(1, steps // 20),
        "max_length": limit,
        "seed": job.recipe.seed,
    }
    place: dict[str, Any] = {
        "output_dir": str(job.folder / ".checkpoints"),
        "use_cpu": hardware.device == "cpu",
        "bf16": hardware.precision == "bf16",
        "gradient_checkpointing": False,
        "dataloader_num_workers": hardware.data_workers,
        "dataloader_pin_memory": hardware.device != "cpu",
    }
    record: dict[str, Any] = {
        "logging_steps": 1,
        "include_num_input_tokens_seen": "non_padding",
        "save_strategy": "steps",
        "save_steps": every,
        "save_total_limit": 2,
        "eval_strategy": "steps" if data.heldout else "no",
        "eval_steps": every,
        "report_to": "none",
        "disable_tqdm": True,
    }
    return schedule | place | record


def quiet(trainer: Any) -> None:
    """Take away the callback that prints dictionaries."""
    trainer.remove_callback(PrinterCallback)


def train(trainer: Any, folder: Path, title: str) -> int:
    """Run to the end, from the newest complete checkpoint if there is one; write `metrics.jsonl`. Returns the number of steps."""
    checkpoint = newest_complete(folder / ".checkpoints")
    if checkpoint and is_last(checkpoint):
        load_model(trainer.model, checkpoint / "model.safetensors")
        return int(checkpoint.name.rpartition("-")[2])
    trainer.add_callback(MarkComplete())
    trainer.add_callback(Recorder(folder, title))
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return int(trainer.state.global_step)
