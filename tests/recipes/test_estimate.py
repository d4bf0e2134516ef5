"""The figures of --dry-run, against sums done by hand."""

from pathlib import Path

import pytest

from recipes.estimate import ASSUMED_MFU, estimate, memory_of, micro_batch_of
from recipes.loading import load_hardware, load_recipe
from recipes.run import main

# 24 layers, width 1024, FFN 2816, 16/8 heads of 64, 65,408 words, 2,048 tokens x 64 sequences
SHAPE = {
    "tokenizer.vocab_size": 65408,
    "model.layers": 24,
    "model.hidden_size": 1024,
    "model.ffn_hidden_size": 2816,
    "model.attention_heads": 16,
    "model.kv_heads": 8,
    "pretrain.sequence_length": 2048,
    "pretrain.global_batch_size": 64,
    "pretrain.phases.0.steps": 9000,
    "pretrain.phases.1.steps": 1000,
}
RECIPE = load_recipe(Path("recipes/kishi-tiny.yaml"), [f"{key}={value}" for key, value in SHAPE.items()])
H100 = load_hardware("1xh100", ["micro_batch_size=16"])


def test_parameters_tokens_and_hours() -> None:
    found = estimate(RECIPE, H100)
    layer = 2 * 1024 * 64 * (16 + 8) + 3 * 1024 * 2816 + 2 * 1024 + 2 * 64
    assert found.parameters == 65408 * 1024 + 24 * layer + 1024
    assert found.tokens == (9000 * 131072, 1000 * 131072)
    assert found.flops == pytest.approx((6 * found.parameters + 6 * 24 * 1024 * 2048) * 1.31072e9)
    assert found.hours == pytest.approx(found.flops / (989e12 * ASSUMED_MFU) / 3600)


def test_memory_falls_with_the_micro_batch_and_with_processes_that_share_the_optimizer() -> None:
    one = estimate(RECIPE, H100).memory
    smaller = estimate(RECIPE, H100.model_copy(update={"micro_batch_size": 8})).memory
    two = estimate(RECIPE, H100.model_copy(update={"processes": 2})).memory
    assert two == estimate(RECIPE, H100.model_copy(update={"nodes": 2})).memory
    assert smaller < one and one - two == pytest.approx(6 * estimate(RECIPE, H100).parameters)  # half of 12 bytes a parameter
    kept = 4 * 1024 + 2 * 2 * (16 + 8 + 8) * 64 // 2 + 16 * 64 + 3 * 2816  # norms, projection and its rotated form, attention, FFN
    assert one == pytest.approx(18 * estimate(RECIPE, H100).parameters + 16 * 2048 * 2 * (24 * kept + 65408))


def test_memory_is_near_what_was_measured() -> None:
    """Phase 1 of the 200M shape, micro-batch 16, held 31.0 GB on an H200 at most, with a copy of the logits that is not made any more."""
    recipe = load_recipe(Path("recipes/kishi-200m.yaml"))
    logits = 16 * 2048 * 49152 * 2
    assert estimate(recipe, H100).memory + logits == pytest.approx(31.0e9, rel=0.07)


def test_cost_is_hours_of_all_devices() -> None:
    two = load_hardware("2xh100", ["gpu_hour_price=3"])
    found = estimate(RECIPE, two)
    assert found.hours and found.cost == pytest.approx(found.hours * 6) and estimate(RECIPE, H100).cost is None


def test_hours_fall_with_all_processes_on_all_machines() -> None:
    sixteen = load_hardware("2x8xh100")
    assert sixteen.world_size == 16 and estimate(RECIPE, sixteen).hours == pytest.approx((estimate(RECIPE, H100).hours or 0) / 16)


def test_no_hours_without_a_peak() -> None:
    assert estimate(RECIPE, load_hardware("cpu")).hours is None


def test_the_micro_batch_is_fitted_to_memory_and_batch() -> None:
    fitted = {}
    for name in ("200m", "350m", "500m"):
        recipe = load_recipe(Path(f"recipes/kishi-{name}.yaml"))
        for overlay in ("1xh100", "1x24gb"):
            hardware = load_hardware(overlay)
            size = micro_batch_of(recipe, hardware)
            assert memory_of(recipe, hardware, size) < hardware.memory_gb * 0.95e9 and recipe.pretrain.global_batch_size % size == 0
            fitted[name, overlay] = size
    assert fitted["350m", "1xh100"] == 32 and fitted["500m", "1xh100"] == 16 and fitted["500m", "1x24gb"] < fitted["200m", "1x24gb"]


def test_the_dry_run_counts_devices_of_each_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes/kishi-350m.yaml", "pretrain", "--hw", "2x8xh100", "--dry-run"]) == 0
    assert "on 2 machines with 8 x gpu each" in capsys.readouterr().out
