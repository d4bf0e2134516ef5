"""TRL's SFTTrainer on tokenised conversations, packed or not: what SFT and tools train with."""

from collections.abc import Sequence
from typing import Any

from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from posttrain import adapters, packing, training
from posttrain.likelihood import Row
from recipes.job import Job
from recipes.schema_posttrain import Packed


def make(job: Job, section: Packed, model: Any, tokenizer: Any, rows: Sequence[Row], limit: int, neftune_alpha: float | None = None) -> Any:
    """The trainer, which sees `rows` in an order that the recipe's seed fixes. Raises ArtefactError where they cannot be packed."""
    if section.packing:
        packing.check_attention(model)
        data = packing.packed(rows, limit)
    else:
        data = Dataset.from_dict({"input_ids": [ids for ids, _ in rows], "labels": [labels for _, labels in rows]})
    steps = training.steps_in(len(data), section.epochs, section.batch_size)
    config = SFTConfig(
        **training.arguments(job, section, steps, section.batch_size, limit),
        max_length=limit,
        dataset_kwargs={"skip_prepare_dataset": True},
        neftune_noise_alpha=neftune_alpha,
    )
    trainer = SFTTrainer(
        model=model,
        args=config,
        train_dataset=data,
        processing_class=tokenizer,
        peft_config=adapters.config(section.lora),
        data_collator=packing.PackedRows(tokenizer.pad_token_id) if section.packing else None,
    )
    training.keep_order(trainer, section.batch_size)
    return trainer
