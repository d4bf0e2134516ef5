"""The overlay's `engine:` section: settings of Megatron's own configuration by their own names.

Bridge skips names that it does not know; here they are errors. What the recipe or another key of the overlay decides cannot be set.
"""

import difflib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from kishi.errors import RecipeError
from recipes.hardware import EngineSection

# by section: what recipes/schema_pretrain.py says or the rest of recipes/hardware.py does
DECIDED: dict[str, frozenset[str]] = {
    "model": frozenset(
        {
            "num_layers", "hidden_size", "ffn_hidden_size", "num_attention_heads", "num_query_groups", "kv_channels", "qk_layernorm",
            "seq_length", "vocab_size", "make_vocab_size_divisible_by", "rotary_base", "layernorm_epsilon", "init_method_std",
            "normalization", "gated_linear_unit", "activation_func", "add_bias_linear", "hidden_dropout", "attention_dropout",
            "position_embedding_type", "share_embeddings_and_output_weights", "transformer_layer_spec", "tensor_model_parallel_size",
            "pipeline_model_parallel_size", "context_parallel_size", "num_moe_experts", "mtp_num_layers",
        }
    ),
    "optimizer": frozenset({"optimizer", "lr", "min_lr", "weight_decay", "adam_beta1", "adam_beta2", "adam_eps", "clip_grad",
                            "use_distributed_optimizer", "bf16"}),
    "train": frozenset({"train_iters", "global_batch_size", "micro_batch_size"}),
    "rng": frozenset({"seed"}),
    "ddp": frozenset({"use_distributed_optimizer"}),
    "mixed_precision": frozenset({"bf16", "fp16", "fp32"}),
}  # fmt: skip


def apply_settings(config: Any, settings: Mapping[EngineSection, Mapping[str, Any]]) -> None:
    """Put them into Megatron-Bridge's ConfigContainer. Raises RecipeError for an unknown, decided or ill-typed one."""
    for section, values in settings.items():
        target = getattr(config, section)
        known = {field.name for field in fields(target)}
        for name, value in values.items():
            place = f"engine.{section}.{name} in the overlay"
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                raise RecipeError(
                    f"{type(target).__name__} has no such setting", where=place, fix=f"did you mean {near[0]}?" if near else ""
                )
            if name in DECIDED[section]:
                raise RecipeError("the recipe or another key of the overlay decides this", where=place)
            if not _fits(getattr(target, name), value):
                raise RecipeError(f"{value!r} is no {type(getattr(target, name)).__name__}", where=place)
            setattr(target, name, value)


def _fits(old: Any, new: Any) -> bool:
    """A whole number is also a number; a setting that is not set takes anything."""
    if isinstance(old, bool) or isinstance(new, bool):
        return old is None or type(old) is type(new)
    return not isinstance(old, int | float | str) or isinstance(new, type(old)) or (isinstance(old, float) and isinstance(new, int))
