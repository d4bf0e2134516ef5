"""Recipe and overlay -> Megatron-Bridge's configuration. The only place where our names become Megatron's."""

import importlib.util
from pathlib import Path
from typing import Any

import torch
from megatron.bridge.models.gpt_provider import GPTModelProvider
from megatron.bridge.training.config import (
    CheckpointConfig,
    ConfigContainer,
    DistributedInitConfig,
    LoggerConfig,
    OptimizerConfig,
    RNGConfig,
    SchedulerConfig,
    TrainingConfig,
    ValidationConfig,
)
from megatron.bridge.training.mixed_precision import MixedPrecisionConfig
from megatron.bridge.training.tokenizers.config import TokenizerConfig
from megatron.core.distributed import DistributedDataParallelConfig
from torch.nn.functional import silu

from recipes.hardware import Hardware
from recipes.schema import Recipe
from train.attention import sdpa_layer_spec
from train.base_model import base_provider
from train.data_order import PhaseDatasetConfig
from train.plan import Plan


def model_provider(recipe: Recipe, hardware: Hardware, base: Path | None = None) -> GPTModelProvider:
    """A Qwen3-class model: RMSNorm, SwiGLU, RoPE, grouped-query attention, QK-norm, tied embeddings; or the one of `base`'s config."""
    model, gpu = recipe.model, hardware.device == "gpu"
    if base:
        how = {"seq_length": recipe.pretrain.sequence_length, **_kernels(hardware, gpu), **_parallel(hardware)}
        return base_provider(base, how)
    assert model is not None
    shape: dict[str, Any] = {
        "num_layers": model.layers,
        "hidden_size": model.hidden_size,
        "ffn_hidden_size": model.ffn_hidden_size,
        "num_attention_heads": model.attention_heads,
        "num_query_groups": model.kv_heads,
        "kv_channels": model.head_dim,
        "qk_layernorm": True,
        "seq_length": recipe.pretrain.sequence_length,
        "vocab_size": recipe.tokenizer.vocab_size,
        "make_vocab_size_divisible_by": 128,
        "rotary_base": model.rope_theta,
        "layernorm_epsilon": model.norm_eps,
        "init_method_std": model.init_std,
    }
    kind: dict[str, Any] = {
        "normalization": "RMSNorm",
        "gated_linear_unit": True,
        "activation_func": silu,
        "add_bias_linear": False,
        "hidden_dropout": 0.0,
        "attention_dropout": 0.0,
        "position_embedding_type": "rope",
        "share_embeddings_and_output_weights": True,
    }
    return GPTModelProvider(**shape, **kind, **_kernels(hardware, gpu), **_parallel(hardware))


def uses_transformer_engine(hardware: Hardware) -> bool:
    """What the overlay asks for, or on "auto" what is installed."""
    installed = importlib.util.find_spec("transformer_engine") is not None
    return hardware.device == "gpu" and (hardware.attention == "te" or (hardware.attention == "auto" and installed))


def shards_optimizer(hardware: Hardware) -> bool:
    """What the overlay asks for, where it can be resumed.

    Megatron-Core's distributed optimizer around torch's own Adam (neither Transformer Engine nor apex there) cannot be loaded into an
    optimizer that has made no step, and gives all parameters one shared step counter (0.19.2, DistributedOptimizer.state_dict and
    load_state_dict).
    """
    return hardware.distributed_optimizer and any(map(importlib.util.find_spec, ("transformer_engine", "apex")))


def _kernels(hardware: Hardware, gpu: bool) -> dict[str, Any]:
    te = uses_transformer_engine(hardware)
    kernels: dict[str, Any] = {
        "apply_rope_fusion": te,
        "bias_activation_fusion": gpu,
        "bias_dropout_fusion": gpu,
        "masked_softmax_fusion": False,
        "gradient_accumulation_fusion": False,  # needs NVIDIA's apex
        "persist_layer_norm": False,
        "cross_entropy_loss_fusion": gpu,
        "cross_entropy_fusion_impl": "te" if te else "native",
        "use_cpu_initialization": not gpu,
    }
    return kernels if te else {**kernels, "transformer_layer_spec": sdpa_layer_spec}


def _parallel(hardware: Hardware) -> dict[str, Any]:
    return {
        "tensor_model_parallel_size": hardware.tensor_parallel,
        "pipeline_model_parallel_size": hardware.pipeline_parallel,
        "context_parallel_size": hardware.context_parallel,
    }


def training_config(plan: Plan) -> ConfigContainer:
    """Everything that `megatron.bridge.training.pretrain.pretrain` needs for one phase."""
    recipe, hardware = plan.recipe, plan.hardware
    gpu = hardware.device == "gpu"
    return ConfigContainer(
        model=model_provider(recipe, hardware, plan.base),
        train=TrainingConfig(
            train_iters=plan.last_step,
            global_batch_size=recipe.pretrain.global_batch_size,
            micro_batch_size=plan.micro_batch_size,
            manual_gc=True,
            manual_gc_interval=100,
        ),
        validation=ValidationConfig(eval_interval=10**9, eval_iters=0),  # train/evaluate.py measures bits per byte instead
        optimizer=_optimizer(recipe, hardware),
        scheduler=_schedule(recipe),
        ddp=DistributedDataParallelConfig(
            grad_reduce_in_fp32=True,
            use_distributed_optimizer=shards_optimizer(hardware),
            check_for_nan_in_grad=False,  # train/record.py stops at what is not finite, with words, before a checkpoint of it
        ),
        dataset=_dataset(plan),
        logger=LoggerConfig(log_interval=10, log_throughput=False),
        tokenizer=TokenizerConfig(tokenizer_type="NullTokenizer", vocab_size=recipe.tokenizer.vocab_size),
        checkpoint=CheckpointConfig(
            save=str(plan.checkpoints),
            load=str(plan.load_from) if plan.load_from else None,
            # weights only, where `load` finds nothing: a base has no optimiser state
            pretrained_checkpoint=str(plan.base / "checkpoints") if plan.base else None,
            save_interval=recipe.pretrain.checkpoint_every,
            ckpt_format="torch_dist",
            async_save=False,
        ),
        rng=RNGConfig(seed=recipe.seed),
        dist=DistributedInitConfig(distributed_backend="nccl" if gpu else "gloo"),
        mixed_precision="bf16_mixed" if hardware.precision == "bf16" else MixedPrecisionConfig(),
    )


def _optimizer(recipe: Recipe, hardware: Hardware) -> OptimizerConfig:
    pretrain = recipe.pretrain
    return OptimizerConfig(
        optimizer="adam",
        lr=pretrain.learning_rate,
        min_lr=pretrain.min_learning_rate,
        weight_decay=pretrain.weight_decay,
        adam_beta1=pretrain.adam_beta1,
        adam_beta2=pretrain.adam_beta2,
        adam_eps=1e-8,
        clip_grad=pretrain.clip_grad,
        bf16=hardware.precision == "bf16",
        use_distributed_optimizer=shards_optimizer(hardware),
    )


def _schedule(recipe: Recipe) -> SchedulerConfig:
    """Warm-up-stable-decay over both phases; the decay is phase 2, to the letter."""
    pretrain = recipe.pretrain
    return SchedulerConfig(
        start_weight_decay=pretrain.weight_decay,
        end_weight_decay=pretrain.weight_decay,
        weight_decay_incr_style="constant",
        lr_decay_style="WSD",
        lr_wsd_decay_style="linear",
        lr_warmup_iters=pretrain.warmup_steps,
        lr_decay_iters=pretrain.total_steps,
        lr_wsd_decay_iters=pretrain.phases[1].steps,
        override_opt_param_scheduler=True,
    )


def _dataset(plan: Plan) -> PhaseDatasetConfig:
    prefixes = [str(Path(plan.index) / prefix) for prefix in plan.blend["prefixes"]]
    return PhaseDatasetConfig(
        first_sample=plan.first_step * plan.recipe.pretrain.global_batch_size,
        random_seed=plan.recipe.seed + plan.phase,  # a phase has a data order of its own
        seq_length=plan.recipe.pretrain.sequence_length,
        reset_attention_mask=False,
        reset_position_ids=False,
        eod_mask_loss=False,
        blend=(prefixes, plan.blend["weights"]),
        split="100,0,0",  # held-out documents have indexes of their own
        data_sharding=True,
        dataloader_type="single",
        num_workers=plan.hardware.data_workers,
        skip_getting_attention_mask_from_dataset=True,
        path_to_cache=str(plan.folder / ".dataset_cache"),
    )


def set_threads(hardware: Hardware) -> None:
    """CPU threads of this process."""
    if hardware.threads:
        torch.set_num_threads(hardware.threads)
