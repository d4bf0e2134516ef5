"""The throughput benchmark on the tiny shape: the stage's own workers and the peer are really run; a variant that fails is a row."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.kernel_groups import IDLE, Kernel, busy, group_of, report
from bench.throughput import Timing, parse_variant
from bench.variant import figures
from recipes.hardware import Hardware
from recipes.loading import load_recipe

pytestmark = pytest.mark.slow

TINY = "recipes/kishi-tiny.yaml cpu model.layers=1 model.hidden_size=64 model.ffn_hidden_size=64 pretrain.sequence_length=32"


def test_a_variant_s_changes_go_to_the_recipe_or_the_overlay() -> None:
    request = parse_variant("kishi", "a recipes/kishi-tiny.yaml cpu model.layers=2 hw.micro_batch_size=2", Timing(1, 4, 3, 9.0))
    recipe, hardware = request.load()
    assert (recipe.model.layers, hardware.micro_batch_size) == (2, 2)
    assert recipe.pretrain.phases[0].steps > request.all_steps == 8


def test_figures_by_hand() -> None:
    recipe = load_recipe(Path("recipes/kishi-tiny.yaml"), ["pretrain.global_batch_size=10", "pretrain.sequence_length=100"])
    hardware = Hardware(device="gpu", processes=2, micro_batch_size=1, precision="bf16", peak_tflops=1)
    found = figures(recipe, hardware, {"seconds": [0.1, 0.2, 0.3], "peak_memory_bytes": 5})
    flops = 6 * recipe.model.parameters(2048) + 6 * 4 * 256 * 100
    assert found["tokens_per_second"] == 5000 and found["ms_per_step"] == 200 and found["peak_memory_bytes"] == 5
    assert found["mfu"] == pytest.approx(5000 * flops / 2e12, rel=1e-3)


def test_kernels_are_grouped_and_idle_time_is_what_no_kernel_covers() -> None:
    names = {
        "nvjet_tst_128x256_64x4_2x1_v_bz_coopA_TNT": "GEMM",
        "cudnn_generated_fort_native_sdpa_sm90_flash_bprop_wgmma_f16_knob_7_64x128x64_4x1x1": "attention",
        "void transformer_engine::normalization::rmsnorm_fwd_tuned_kernel<...>": "norm",
        "void transformer_engine::fused_qkv_rope_forward": "rope",
        "void multi_tensor_apply_kernel<AdamFunctor>": "optimizer",
        "ncclDevKernel_ReduceScatter_Sum_f32_RING_LL": "communication",
        "triton_poi_fused_add_mul_silu_3": "SwiGLU",
        "void at::native::vectorized_elementwise_kernel<4, CUDAFunctor_add>": "other elementwise",
    }
    assert {name: group_of(name) for name in names} == names
    kernels = [Kernel("gemm", 0, 4000), Kernel("ncclDevKernel", 2000, 6000), Kernel("rmsnorm", 9000, 10000)]
    assert busy(kernels) == 7000
    lines = report(kernels, steps=1).splitlines()
    assert "10.0 ms each" in lines[0]
    assert any(line.split() == ["3.00", "30.0%", IDLE] for line in lines)


def test_stage_peer_and_a_variant_that_fails(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench.throughput", "--out", str(tmp_path), "--warm-up", "1", "--steps", "2"]
    command += ["--kishi", f"stage {TINY}", "--peer", f"peer {TINY}", "--kishi", f"wrong {TINY} hw.micro_batchsize=2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "result.json").read_bytes())["figures"]
    assert "did you mean micro_batch_size" in rows["wrong"]["error"]
    stage, peer = rows["stage"], rows["peer"]
    assert stage["parameters"] == peer["parameters"] and len(stage["ms_all"]) == len(peer["ms_all"]) == 2
    assert stage["loss"][0] == pytest.approx(peer["loss"][0], rel=0.02)  # the same shape, both at random: near ln(vocabulary)
    assert "wrong" in (tmp_path / "table.txt").read_text()
