"""What SFT and DPO share: trainer arguments, resume after a kill, metrics."""

from pathlib import Path
from typing import Any

from transformers.trainer_utils import get_last_checkpoint

from kishi.jsonl import write_rows
from recipes.job import Job
from recipes.schema import Finetune


def arguments(job: Job, section: Finetune, examples: int) -> dict[str, Any]:
    """Arguments of TRL's configurations. Four checkpoints a run; a killed run goes on from the last."""
    cpu = job.hardware.device == "cpu"
    steps = max(1, round(examples * section.epochs / section.batch_size))
    return {
        "output_dir": str(job.folder / ".checkpoints"),
        "num_train_epochs": section.epochs,
        "per_device_train_batch_size": section.batch_size,
        "per_device_eval_batch_size": section.batch_size,
        "learning_rate": section.learning_rate,
        "max_length": section.max_length,
        "warmup_steps": max(1, steps // 20),
        "lr_scheduler_type": "cosine",
        "logging_steps": 1,
        "save_strategy": "steps",
        "save_steps": max(1, steps // 4),
        "save_total_limit": 2,
        "report_to": "none",
        "seed": job.recipe.seed,
        "use_cpu": cpu,
        "bf16": job.hardware.precision == "bf16",
        "gradient_checkpointing": False,
        "dataloader_num_workers": job.hardware.data_workers,
    }


def train(trainer: Any, folder: Path) -> None:
    """Run to the end, from the newest complete checkpoint if there is one, and write `metrics.jsonl`."""
    checkpoints = folder / ".checkpoints"
    resume = get_last_checkpoint(checkpoints) if checkpoints.is_dir() else None
    trainer.train(resume_from_checkpoint=resume)
    write_rows(folder / "metrics.jsonl", [row for row in trainer.state.log_history if "step" in row])
