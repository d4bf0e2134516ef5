"""Every overlay with every recipe, as Megatron-Bridge itself reads it (tests/train/build_configs.py), without a GPU."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recipes.hardware import OVERLAYS
from recipes.loading import load_hardware, load_recipe

EXPECTED = {
    "unknown": "did you mean cuda_graph_warmup_steps",
    "decided": "the recipe or another key",
    "ill-typed": "no bool",
    "context": "parts of one sequence",
    "heads": "model.kv_heads is 2",
    "layers": "model.layers is 4",
    "wandb": "wandb is not installed",
}


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", "tests.train.build_configs"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    built: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return built


def test_bridge_accepts_every_overlay_with_every_recipe(found: dict[str, Any]) -> None:
    assert found["overlays"].keys() == {path.stem for path in OVERLAYS.glob("*.yaml")}
    for overlay, recipes in found["overlays"].items():
        hardware = load_hardware(overlay)
        gpu = hardware.device == "gpu"
        assert {"kishi-200m", "kishi-350m", "kishi-500m", "expand-qwen3"} <= recipes.keys()
        for name, facts in recipes.items():
            recipe = load_recipe(Path(f"recipes/{name}.yaml"))
            assert facts["global_batch"] == recipe.pretrain.global_batch_size and facts["global_batch"] % facts["shares"] == 0
            assert facts["ffn"] == (recipe.model.ffn_hidden_size if recipe.model else 3072)
            assert facts["bf16"] == (hardware.precision == "bf16")
            assert facts["overlap"] == [gpu and hardware.replicas > 1] * 2 and facts["sharded"] == [gpu] * 2
            assert facts["spec"] == ("layer_spec" if gpu else "sdpa_layer_spec")


def test_a_model_is_shared_out_as_the_overlay_says(found: dict[str, Any]) -> None:
    assert found["parallel"]["copies"] == 2 and found["parallel"]["sequence_parallel"] and found["parallel"]["overlap"] == [True, True]


def test_muon_keeps_whole_matrices_on_each_gpu(found: dict[str, Any]) -> None:
    muon = found["muon"]
    assert muon["optimizer"] == "muon" and muon["factor"] == pytest.approx(0.2)
    assert muon["sharded"] == [False, False] and muon["overlap"] == [True, False]


def test_settings_of_the_engine_reach_it(found: dict[str, Any]) -> None:
    assert found["settings"] == [5, 1000]


def test_weights_are_counted_as_megatron_builds_them(found: dict[str, Any]) -> None:
    recipe = load_recipe(Path("recipes/kishi-tiny.yaml"))
    assert recipe.model and found["weights"] == recipe.model.parameters(recipe.tokenizer.vocab_size)


@pytest.mark.parametrize("name", EXPECTED)
def test_what_the_engine_cannot_do_or_would_misread_is_refused(name: str, found: dict[str, Any]) -> None:
    assert EXPECTED[name] in found["refused"][name]
