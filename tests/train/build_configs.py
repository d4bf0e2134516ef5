"""Megatron-Bridge's configuration of every overlay with every recipe, built and validated by Bridge itself; printed as one line of JSON.

In a process of its own, since without a GPU the engine changes torch for good. `python -m tests.train.build_configs`
"""

import atexit
import importlib.util
import json
import os
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any
from unittest.mock import patch

from kishi.errors import RecipeError
from recipes.hardware import OVERLAYS, Hardware
from recipes.loading import load_hardware, load_recipe
from train.cpu_engine import engine
from train.plan import Plan

RECIPES = [path for path in sorted(Path("recipes").glob("*.yaml")) if "pretrain:" in path.read_text()]
REFUSED: dict[str, dict[str, Any]] = {
    "unknown": {"engine": {"model": {"cuda_graph_warmup_step": 5}}},
    "decided": {"engine": {"model": {"num_layers": 5}}},
    "ill-typed": {"engine": {"ddp": {"overlap_grad_reduce": "yes"}}},
    "context": {"processes": 2, "context_parallel": 2},
    "heads": {"processes": 4, "tensor_parallel": 4},
    "layers": {"processes": 3, "pipeline_parallel": 3},
    "wandb": {"wandb_project": "kishi"},
}


# the published shape of Qwen3-0.6B, which expand-qwen3 begins with, with its rows grown
BASE = {
    "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28,
    "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 32768, "rms_norm_eps": 1e-6,
    "rope_theta": 1000000, "tie_word_embeddings": True, "vocab_size": 167680,
}  # fmt: skip


@cache
def imported_base() -> Path:
    """A folder like that of stage import-hf."""
    folder = Path(mkdtemp())
    atexit.register(rmtree, folder)
    (folder / "checkpoints").mkdir()
    (folder / "config.json").write_text(json.dumps(BASE))
    return folder


def build(path: Path, hardware: Hardware, *changes: str) -> Any:
    """As `megatron.bridge.training.pretrain.pretrain` does before it starts."""
    from train.configure import training_config

    os.environ["WORLD_SIZE"] = str(hardware.world_size)
    blend = {"prefixes": ["dirty/kk-00000"], "weights": [1]}
    base = imported_base() if load_recipe(path).base else None
    own = ["base.hub=null", "base.revision=null", f"base.path={base}"] if base else []
    plan = Plan(load_recipe(path, [*changes, *own]), hardware, 1, Path("runs/x"), Path("runs/index"), None, 0, blend, base)
    config = training_config(plan)
    config.mixed_precision.finalize()
    config.mixed_precision.setup(config.model, config.optimizer, config.ddp)
    config.validate()
    return config


def shareable(path: Path, hardware: Hardware) -> bool:
    """A batch of the tiny recipe is smaller than the largest overlays."""
    return load_recipe(path).pretrain.global_batch_size % hardware.replicas == 0


def facts(config: Any) -> dict[str, Any]:
    return {
        "global_batch": config.train.global_batch_size,
        "shares": config.train.micro_batch_size * config.data_parallel_size,
        "ffn": config.model.ffn_hidden_size,
        "bf16": config.model.bf16,
        "overlap": [config.ddp.overlap_grad_reduce, config.ddp.overlap_param_gather],
        "sharded": [config.ddp.use_distributed_optimizer, config.optimizer.use_distributed_optimizer],
        "spec": config.model.transformer_layer_spec.__name__,
    }


def cpu(**more: Any) -> Hardware:
    return Hardware(device="cpu", micro_batch_size=1, precision="fp32", **more)


def weights_of(path: Path) -> int:
    """Counted in the model that Megatron builds."""
    import torch
    from megatron.bridge.training.model_load_save import temporary_distributed_context

    config = build(path, cpu())
    with temporary_distributed_context(backend="gloo"), torch.no_grad():
        model = config.model.provide_distributed_model(wrap_with_ddp=False, use_cpu_initialization=True)
    return sum(weight.numel() for weight in model[0].parameters())


def refusal(more: dict[str, Any]) -> str:
    try:
        build(Path("recipes/kishi-tiny.yaml"), cpu(**more))
    except RecipeError as error:
        return error.message()
    return ""


def main() -> None:
    find, found = importlib.util.find_spec, dict[str, Any]()
    with engine():
        import train.configure  # noqa: F401  # before Transformer Engine seems to be there

        with patch("importlib.util.find_spec", lambda name: ModuleSpec(name, None) if name == "transformer_engine" else find(name)):
            for overlay in sorted(path.stem for path in OVERLAYS.glob("*.yaml")):
                hardware = load_hardware(overlay)
                found[overlay] = {path.stem: facts(build(path, hardware)) for path in RECIPES if shareable(path, hardware)}
            shared = Hardware(device="gpu", processes=8, micro_batch_size=4, precision="bf16", tensor_parallel=2, pipeline_parallel=2)
            parallel = build(Path("recipes/kishi-350m.yaml"), shared)
            muon = build(Path("recipes/kishi-350m.yaml"), load_hardware("8xh100"), "pretrain.optimizer=muon")
        settings = build(
            Path("recipes/kishi-tiny.yaml"), cpu(engine={"model": {"cuda_graph_warmup_steps": 5}, "ddp": {"bucket_size": 1000}})
        )
        found = {
            "overlays": found,
            "parallel": facts(parallel) | {"copies": parallel.data_parallel_size, "sequence_parallel": parallel.model.sequence_parallel},
            "muon": facts(muon) | {"optimizer": muon.optimizer.optimizer, "factor": muon.optimizer.muon_extra_scale_factor},
            "settings": [settings.model.cuda_graph_warmup_steps, settings.ddp.bucket_size],
            "weights": weights_of(Path("recipes/kishi-tiny.yaml")),
            "refused": {name: refusal(more) for name, more in REFUSED.items()},
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
