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
from megatron.bridge.training.mixed_precision import MixedPrecisionConfig, bf16_mixed
from megatron.bridge.training.tokenizers.config import TokenizerConfig
from megatron.core.distributed import DistributedDataParallelConfig
from torch.nn.functional import silu

from kishi.errors import RecipeError
from recipes.base import shape
from recipes.hardware import Hardware
from recipes.schema import Recipe
from train.attention import layer_spec, sdpa_layer_spec
from train.base_model import base_provider
from train.data_order import PhaseDatasetConfig
from train.engine_settings import apply_settings
from train.plan import Plan


def model_provider(recipe: Recipe, hardware: Hardware, base: Path | None = None) -> GPTModelProvider:
    """A Qwen3-class model: RMSNorm, SwiGLU, RoPE, grouped-query attention, QK-norm, tied embeddings; or the one of `base`'s config."""
    model, gpu = recipe.model, hardware.device == "gpu"
    if base:
        how = {"seq_length": recipe.pretrain.sequence_length, **_kernels(hardware, gpu), **_parallel(recipe, hardware)}
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
    return GPTModelProvider(**shape, **kind, **_kernels(hardware, gpu), **_parallel(recipe, hardware))


def uses_transformer_engine(hardware: Hardware) -> bool:
    """What the overlay asks for, or on "auto" what is installed."""
    installed = importlib.util.find_spec("transformer_engine") is not None
    return hardware.device == "gpu" and (hardware.attention == "te" or (hardware.attention == "auto" and installed))


def shards_optimizer(recipe: Recipe, hardware: Hardware) -> bool:
    """What the overlay asks for, where it can be done and resumed.

    Muon needs whole matrices.

    Megatron-Core's distributed optimizer around torch's own Adam (neither Transformer Engine nor apex there) cannot be loaded into an
    optimizer that has made no step, and gives all parameters one shared step counter (0.19.2, DistributedOptimizer.state_dict and
    load_state_dict).
    """
    installed = any(map(importlib.util.find_spec, ("transformer_engine", "apex")))
    return hardware.distributed_optimizer and recipe.pretrain.optimizer == "adamw" and hardware.device == "gpu" and installed


def _kernels(hardware: Hardware, gpu: bool) -> dict[str, Any]:
    te = uses_transformer_engine(hardware)
    return {
        "transformer_layer_spec": layer_spec if te else sdpa_layer_spec,
        "apply_rope_fusion": False,  # train/norm_rotate.py does it, with the norms before it
        "bias_activation_fusion": gpu,
        "bias_dropout_fusion": gpu,
        "masked_softmax_fusion": False,
        "gradient_accumulation_fusion": False,  # needs NVIDIA's apex for the head; by its bytes it would save a thousandth of a step
        "persist_layer_norm": False,
        "cross_entropy_loss_fusion": gpu,
        "cross_entropy_fusion_impl": "te" if te else "native",
        "use_cpu_initialization": not gpu,
    }


def _parallel(recipe: Recipe, hardware: Hardware) -> dict[str, Any]:
    """Raises RecipeError for what cannot be shared out."""
    te = uses_transformer_engine(hardware)
    if hardware.context_parallel > 1:
        raise RecipeError(
            "parts of one sequence on several devices are not supported: torch's attention sees its own part alone, and held-out text "
            "could not be measured",
            where="context_parallel in the overlay",
            fix="context_parallel: 1; sequences of the recipes fit one device. Share out the batch, or use tensor_parallel",
        )
    shares = {
        "model.kv_heads": (shape(recipe).kv_heads, "tensor_parallel", hardware.tensor_parallel),
        "model.ffn_hidden_size": (shape(recipe).ffn_hidden_size, "tensor_parallel", hardware.tensor_parallel),
        "tokenizer.vocab_size": (recipe.tokenizer.vocab_size, "tensor_parallel", hardware.tensor_parallel),
        "model.layers": (shape(recipe).layers, "pipeline_parallel", hardware.pipeline_parallel),
    }
    for name, (size, key, parts) in shares.items():
        if size % parts:
            raise RecipeError(f"{name} is {size}: {key} {parts} cannot share it out evenly", where=f"{key} in the overlay")
    return {
        "tensor_model_parallel_size": hardware.tensor_parallel,
        "pipeline_model_parallel_size": hardware.pipeline_parallel,
        "sequence_parallel": te and hardware.tensor_parallel > 1,  # torch's norms cannot
        "pipeline_dtype": torch.bfloat16 if hardware.precision == "bf16" else torch.float32,
    }


def training_config(plan: Plan) -> ConfigContainer:
    """Everything that `megatron.bridge.training.pretrain.pretrain` needs for one phase. Raises RecipeError for what it cannot do."""
    recipe, hardware = plan.recipe, plan.hardware
    gpu = hardware.device == "gpu"
    config = ConfigContainer(
        model=model_provider(recipe, hardware, plan.base),
        train=TrainingConfig(
            train_iters=plan.last_step,
            global_batch_size=recipe.pretrain.global_batch_size,
            micro_batch_size=plan.micro_batch_size,
            manual_gc=True,
            manual_gc_interval=100,
            exit_signal_handler=True,  # SIGTERM to one worker: all save after the same step and end (train/stop.py)
        ),
        validation=ValidationConfig(eval_interval=10**9, eval_iters=0),  # train/evaluate.py measures bits per byte instead
        optimizer=_optimizer(recipe, hardware),
        scheduler=_schedule(recipe),
        ddp=_data_parallel(recipe, hardware),
        dataset=_dataset(plan),
        logger=_logger(plan),
        tokenizer=TokenizerConfig(tokenizer_type="NullTokenizer", vocab_size=recipe.tokenizer.vocab_size),
        checkpoint=CheckpointConfig(
            save=str(plan.checkpoints),
            load=str(plan.load_from) if plan.load_from else None,
            # weights only, where `load` finds nothing: a base has no optimiser state
            pretrained_checkpoint=str(plan.base / "checkpoints") if plan.base else None,
            save_interval=recipe.pretrain.checkpoint_every,
            ckpt_format="torch_dist",
            async_save=hardware.saves_asynchronously,
            async_write_results_mp_mode="spawn",  # a forked helper would outlive a kill; see train/worker.py
        ),
        rng=RNGConfig(seed=recipe.seed),
        dist=DistributedInitConfig(distributed_backend="nccl" if gpu else "gloo"),
        mixed_precision=bf16_mixed() if hardware.precision == "bf16" else _fp32(),
    )
    apply_settings(config, hardware.engine)
    return config


def _fp32() -> MixedPrecisionConfig:
    return MixedPrecisionConfig(fp32=True, params_dtype=torch.float32, pipeline_dtype=torch.float32)


def _data_parallel(recipe: Recipe, hardware: Hardware) -> DistributedDataParallelConfig:
    """Gradients travel while backward goes on, and updated weights while forward does, where several GPUs share the batch."""
    sharded, overlap = shards_optimizer(recipe, hardware), hardware.device == "gpu" and hardware.replicas > 1
    return DistributedDataParallelConfig(
        grad_reduce_in_fp32=True,
        use_distributed_optimizer=sharded,
        overlap_grad_reduce=overlap,
        overlap_param_gather=overlap and sharded,
        check_for_nan_in_grad=False,  # train/spikes.py sees to what is not finite
    )


def _logger(plan: Plan) -> LoggerConfig:
    """TensorBoard always, Weights & Biases where the overlay names a project."""
    project = plan.hardware.wandb_project
    if project and importlib.util.find_spec("wandb") is None:
        raise RecipeError("wandb is not installed", where="wandb_project in the overlay", fix="pip install wandb, or leave the key out")
    return LoggerConfig(
        log_interval=10,
        log_throughput=False,
        tensorboard_dir=str(plan.folder / "tensorboard"),
        tensorboard_log_interval=1,
        wandb_project=project,
        wandb_exp_name=f"{plan.recipe.name}-phase{plan.phase}" if project else None,
        wandb_save_dir=str(plan.folder / "wandb") if project else None,
    )


def _optimizer(recipe: Recipe, hardware: Hardware) -> OptimizerConfig:
    pretrain = recipe.pretrain
    return OptimizerConfig(
        **_muon(recipe) if pretrain.optimizer == "muon" else {"optimizer": "adam"},
        lr=pretrain.learning_rate,
        min_lr=pretrain.min_learning_rate,
        weight_decay=pretrain.weight_decay,
        adam_beta1=pretrain.adam_beta1,
        adam_beta2=pretrain.adam_beta2,
        adam_eps=1e-8,
        clip_grad=pretrain.clip_grad,
        bf16=hardware.precision == "bf16",
        use_distributed_optimizer=shards_optimizer(recipe, hardware),
    )


def _muon(recipe: Recipe) -> dict[str, Any]:
    """Updates of the size of AdamW's: 0.2 x the root of a matrix's longer side (Liu et al. 2025, arXiv 2502.16982, section 2.2)."""
    if importlib.util.find_spec("emerging_optimizers") is None:
        raise RecipeError(
            "emerging-optimizers, which holds Megatron's Muon, is not installed", where="pretrain.optimizer",
            fix="install requirements/bridge.txt, or take adamw",
        )  # fmt: skip
    pretrain = recipe.pretrain
    return {
        "optimizer": "muon",
        "muon_momentum": pretrain.muon.momentum,
        "muon_nesterov": True,
        "muon_scale_mode": "spectral",
        "muon_extra_scale_factor": 0.2 * (pretrain.muon.learning_rate or pretrain.learning_rate) / pretrain.learning_rate,
        "muon_num_ns_steps": 5,
        "muon_tp_mode": "duplicated",  # a matrix that tensor parallelism cut is put together for its update
        "muon_scalar_optimizer": "adam",
    }


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
