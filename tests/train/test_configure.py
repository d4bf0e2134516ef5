"""Every overlay with every recipe, as Megatron-Bridge itself reads it: built and validated, without a GPU and without training."""

from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from kishi.errors import RecipeError
from recipes.hardware import OVERLAYS, Hardware
from recipes.loading import load_hardware, load_recipe
from train import configure
from train.plan import Plan

RECIPES = [path for path in sorted(Path("recipes").glob("*.yaml")) if "pretrain:" in path.read_text()]
NAMES = sorted(path.stem for path in OVERLAYS.glob("*.yaml"))


@pytest.fixture(scope="module", autouse=True)
def engine() -> Iterator[None]:
    from train.cpu_engine import engine

    with engine():
        yield


@pytest.fixture
def transformer_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the configuration is where Transformer Engine is installed: it is asked for by name alone."""
    find = configure.importlib.util.find_spec
    monkeypatch.setattr(
        configure.importlib.util, "find_spec", lambda name: ModuleSpec(name, None) if name == "transformer_engine" else find(name)
    )


def built(recipe: Path, hardware: Hardware, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Bridge's configuration after its own validation."""
    monkeypatch.setenv("WORLD_SIZE", str(hardware.world_size))
    blend = {"prefixes": ["dirty/kk-00000"], "weights": [1]}
    plan = Plan(load_recipe(recipe), hardware, 1, Path("runs/x"), Path("runs/index"), None, 0, blend)
    config = configure.training_config(plan)
    config.mixed_precision.finalize()
    config.mixed_precision.setup(config.model, config.optimizer, config.ddp)
    config.validate()
    return config


@pytest.mark.parametrize("name", NAMES)
def test_bridge_accepts_every_overlay_with_every_recipe(name: str, transformer_engine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    hardware = load_hardware(name)
    for path in RECIPES:
        config, recipe = built(path, hardware, monkeypatch), load_recipe(path)
        shares = config.train.micro_batch_size * config.data_parallel_size
        assert config.train.global_batch_size == recipe.pretrain.global_batch_size and config.train.global_batch_size % shares == 0
        assert config.model.ffn_hidden_size == recipe.model.ffn_hidden_size and config.model.bf16 == (hardware.precision == "bf16")
        several_gpus = hardware.device == "gpu" and hardware.world_size > 1
        assert config.ddp.overlap_grad_reduce == config.ddp.overlap_param_gather == several_gpus
        assert config.ddp.use_distributed_optimizer == config.optimizer.use_distributed_optimizer == (hardware.device == "gpu")


def test_the_recipe_s_weights_are_counted_as_megatron_builds_them(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    path = Path("recipes/kishi-tiny.yaml")
    config, recipe = built(path, load_hardware("cpu"), monkeypatch), load_recipe(path)
    from megatron.bridge.training.model_load_save import temporary_distributed_context

    with temporary_distributed_context(backend="gloo"), torch.no_grad():
        model = config.model.provide_distributed_model(wrap_with_ddp=False, use_cpu_initialization=True)
    assert sum(weight.numel() for weight in model[0].parameters()) == recipe.model.parameters(recipe.tokenizer.vocab_size)


def hardware(**more: Any) -> Hardware:
    return Hardware(device="cpu", micro_batch_size=1, precision="fp32", **more)


def test_settings_of_the_engine_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = hardware(engine={"model": {"cuda_graph_warmup_steps": 5}, "ddp": {"bucket_size": 1000}})
    config = built(RECIPES[-1], asked, monkeypatch)
    assert config.model.cuda_graph_warmup_steps == 5 and config.ddp.bucket_size == 1000


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("model", {"cuda_graph_warmup_step": 5}, "did you mean cuda_graph_warmup_steps"),
        ("model", {"num_layers": 5}, "the recipe or another key"),
        ("ddp", {"overlap_grad_reduce": "yes"}, "no bool"),
    ],
)
def test_settings_that_the_engine_would_misread_are_refused(
    section: str, values: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RecipeError) as refused:
        built(RECIPES[-1], hardware(engine={section: values}), monkeypatch)
    assert message in refused.value.message()


def test_context_parallelism_and_a_missing_wandb_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match="parts of one sequence"):
        built(RECIPES[-1], hardware(processes=2, context_parallel=2), monkeypatch)
    with pytest.raises(RecipeError, match="wandb is not installed"):
        built(RECIPES[-1], hardware(wandb_project="kishi"), monkeypatch)
