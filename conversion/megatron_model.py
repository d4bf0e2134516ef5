"""Megatron models in one process on a CPU, whatever they were trained on: from a checkpoint, or from a Hugging Face folder.

Only to be used within `train.cpu_engine.engine`. Weights and sums are in fp32.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from megatron.bridge import AutoBridge
from megatron.bridge.training.model_load_save import (
    build_and_load_model,
    load_model_config,
    save_megatron_model,
    temporary_distributed_context,
)
from transformers import AutoConfig

from train.attention import sdpa_layer_spec

# Parallelism of the run that made a checkpoint, and kernels that only a GPU has. What the model computes is not among them.
_ONE_CPU: dict[str, Any] = {
    "tensor_model_parallel_size": 1,
    "pipeline_model_parallel_size": 1,
    "virtual_pipeline_model_parallel_size": None,
    "pipeline_model_parallel_layout": None,
    "num_layers_in_first_pipeline_stage": None,
    "num_layers_in_last_pipeline_stage": None,
    "context_parallel_size": 1,
    "sequence_parallel": False,
    "transformer_layer_spec": sdpa_layer_spec,
    "apply_rope_fusion": False,
    "bias_activation_fusion": False,
    "bias_dropout_fusion": False,
    "masked_softmax_fusion": False,
    "gradient_accumulation_fusion": False,
    "persist_layer_norm": False,
    "cross_entropy_loss_fusion": False,
    "use_cpu_initialization": True,
    "fp8": None,
    "fp8_param": False,
    "bf16": False,
    "fp16": False,
    "params_dtype": torch.float32,
    "autocast_dtype": torch.float32,
    "pipeline_dtype": torch.float32,
    "perform_initialization": False,
    "hf_model_id": None,  # a path of the machine that converts
}


@contextmanager
def alone() -> Iterator[None]:
    """The process group of one that Megatron wants, without gradients."""
    with temporary_distributed_context(backend="gloo"), torch.no_grad():
        yield


def bridge(folder: Path) -> Any:
    """How the model of the folder's `config.json` is named on either side."""
    return AutoBridge.from_hf_config(AutoConfig.from_pretrained(folder))


def from_checkpoint(checkpoint: Path) -> list[Any]:
    """The model of an `iter_` folder, its shards of several processes put together."""
    config, _ = load_model_config(str(checkpoint))
    model = build_and_load_model(str(checkpoint), _on_one_cpu(config), use_cpu_init=True, skip_temp_dist_context=True)
    return model if isinstance(model, list) else [model]


def from_folder(folder: Path) -> list[Any]:
    """The model of a Hugging Face folder."""
    found = bridge(folder)
    config = _on_one_cpu(found.to_megatron_provider(load_weights=False))
    config.finalize()
    model: list[Any] = config.provide_distributed_model(wrap_with_ddp=False, use_cpu_initialization=True)
    found.load_hf_weights(model, folder)
    return model


def _on_one_cpu(config: Any) -> Any:
    for name, value in _ONE_CPU.items():
        if hasattr(config, name):
            setattr(config, name, value)
    return config


def save(model: list[Any], folder: Path) -> None:
    """As a Megatron checkpoint at step 0, weights only."""
    save_megatron_model(model, folder)


def logits(model: list[Any], ids: list[int]) -> Any:
    """(length, vocabulary) in fp32."""
    tokens = torch.tensor([ids])
    return model[0].eval()(tokens, torch.arange(len(ids))[None], None)[0].float().contiguous()


def weights(folder: Path, model: list[Any]) -> Iterator[tuple[str, Any]]:
    """Under the names of the folder's Hugging Face model, in fp32."""
    for name, tensor in bridge(folder).export_hf_weights(model, show_progress=False):
        yield name, tensor.float()
