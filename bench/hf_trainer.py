"""The peer of bench/two_phases.py: the same shape on the same samples with transformers' `Trainer` and torch.compile.

`python -m bench.hf_trainer RECIPE OVERLAY SAMPLES OUT [key=value ...]` writes OUT/model, OUT/metrics.jsonl and OUT/figures.json.
"""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers.trainer_callback import PrinterCallback

from bench.peer_pretrain import model_of
from kishi.jsonl import write_json
from posttrain.record import Recorder
from posttrain.training import micro_batch
from recipes.hardware import Hardware
from recipes.loading import load_hardware, load_recipe, split_changes
from recipes.schema import Recipe


class Samples(torch.utils.data.Dataset):  # type: ignore[misc]
    """Both phases' rows, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.parts = [np.load(folder / f"phase{phase}.npy", mmap_mode="r") for phase in (1, 2)]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __getitem__(self, number: int) -> np.ndarray:
        first = len(self.parts[0])
        return self.parts[0][number] if number < first else self.parts[1][number - first]


def collate(rows: list[np.ndarray]) -> dict[str, torch.Tensor]:
    """`shift_labels` are targets already in their places, so that transformers does not cut the last one off."""
    ids = torch.from_numpy(np.stack(rows).astype(np.int64))
    targets = ids[:, 1:].contiguous()
    return {"input_ids": ids[:, :-1].contiguous(), "labels": targets, "shift_labels": targets}


def arguments(recipe: Recipe, hardware: Hardware, out: Path) -> Any:
    """The recipe's optimiser and schedule in the trainer's words."""
    from transformers import TrainingArguments

    pretrain, gpu = recipe.pretrain, hardware.device == "gpu"
    micro = micro_batch(pretrain.global_batch_size, hardware.micro_batch_size)
    return TrainingArguments(
        output_dir=str(out / "checkpoints"),
        max_steps=pretrain.total_steps,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=pretrain.global_batch_size // micro,
        learning_rate=pretrain.learning_rate,
        weight_decay=pretrain.weight_decay,
        adam_beta1=pretrain.adam_beta1,
        adam_beta2=pretrain.adam_beta2,
        max_grad_norm=pretrain.clip_grad,
        warmup_steps=pretrain.warmup_steps,
        lr_scheduler_type="warmup_stable_decay",
        lr_scheduler_kwargs={
            "num_decay_steps": pretrain.phases[1].steps,
            "decay_type": "linear",
            "min_lr_ratio": pretrain.min_learning_rate / pretrain.learning_rate,
        },
        optim="adamw_torch_fused" if gpu else "adamw_torch",
        bf16=hardware.precision == "bf16",
        tf32=gpu or None,
        torch_compile=gpu,
        use_cpu=not gpu,
        gradient_checkpointing=False,
        dataloader_num_workers=hardware.data_workers,
        remove_unused_columns=False,
        save_strategy="no",
        logging_steps=1,
        include_num_input_tokens_seen="non_padding",
        report_to="none",
        disable_tqdm=True,
        seed=recipe.seed,
    )


def train(recipe: Recipe, hardware: Hardware, samples: Path, out: Path) -> dict[str, Any]:
    """Seconds from the first step's beginning to the last one's end, and without the first ten steps, in which it compiles."""
    from torch.utils.data import SequentialSampler
    from transformers import Trainer, TrainerCallback

    class InOrder(Trainer):  # type: ignore[misc]
        """Reads the samples as they stand."""

        def _get_train_sampler(self, dataset: Any = None) -> Any:
            return SequentialSampler(self.train_dataset)

    ends: list[float] = []

    class Clock(TrainerCallback):  # type: ignore[misc]
        """When each step ended."""

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            ends.append(time.perf_counter())

    out.mkdir(parents=True, exist_ok=True)
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(recipe.seed)
    config = arguments(recipe, hardware, out)
    trainer = InOrder(model=model_of(recipe), args=config, train_dataset=Samples(samples), data_collator=collate, callbacks=[Clock()])
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Recorder(out, "peer"))
    begin = time.perf_counter()
    trainer.train()
    trainer.save_model(str(out / "model"))
    tokens = recipe.pretrain.global_batch_size * recipe.pretrain.sequence_length
    warm = min(10, len(ends) // 2)
    return {
        "seconds": round(ends[-1] - begin, 1),
        "tokens": tokens * len(ends),
        "tokens_per_second": round(tokens * (len(ends) - warm) / (ends[-1] - ends[warm - 1])),
        "micro_batch_size": config.per_device_train_batch_size,
        "peak_memory_bytes": torch.cuda.max_memory_allocated() if hardware.device == "gpu" else 0,
    }


if __name__ == "__main__":
    path, overlay, samples_folder, out_folder, *changes = sys.argv[1:]
    own, hardware_changes = split_changes(changes)
    figures = train(load_recipe(Path(path), own), load_hardware(overlay, hardware_changes), Path(samples_folder), Path(out_folder))
    write_json(Path(out_folder) / "figures.json", figures)
