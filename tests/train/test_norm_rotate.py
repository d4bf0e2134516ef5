"""Split, norm and rotation of queries and keys: plain torch against transformers' Qwen3, the Triton kernels against plain torch."""

import os
import subprocess
import sys

import pytest
import torch

from train.norm_rotate import norm_rotate, reference

LENGTH, BATCH, EPS = 5, 2, 1e-6


def case(heads: int, groups: int, size: int, dtype: torch.dtype = torch.float32, device: str = "cpu") -> tuple[torch.Tensor, ...]:
    """`mixed`, the weights of both norms, cosine, sine."""
    generator = torch.Generator().manual_seed(heads)
    mixed = torch.randn(LENGTH, BATCH, (heads + 2 * groups) * size, generator=generator).to(device, dtype)
    weights = (1 + 0.3 * torch.randn(2, size, generator=generator)).to(device, dtype)
    angles = torch.arange(LENGTH)[:, None] / 100 ** (torch.arange(size // 2) / (size // 2))
    return mixed.requires_grad_(), *(w.requires_grad_() for w in weights.unbind()), angles.cos().to(device), angles.sin().to(device)


def results(function: object, made: tuple[torch.Tensor, ...], groups: int) -> list[torch.Tensor]:
    """Outputs, then gradients of a loss in which each of them counts differently."""
    mixed, query_weight, key_weight, cos, sin = made
    out = function(mixed, (query_weight, key_weight), (cos, sin), groups, EPS)  # type: ignore[operator]
    weighted = [(part.float() * torch.linspace(-1, 2, part.numel(), device=part.device).view_as(part)).sum() for part in out]
    return [*out, *torch.autograd.grad(sum(weighted), (mixed, query_weight, key_weight))]  # type: ignore[arg-type]


def test_the_reference_is_what_qwen3_does() -> None:
    from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm, apply_rotary_pos_emb

    heads, groups, size = 6, 2, 16
    mixed, query_weight, key_weight, cos, sin = case(heads, groups, size)
    query, key, value = reference(mixed, (query_weight, key_weight), (cos, sin), groups, EPS)
    parts = mixed.view(LENGTH, BATCH, groups, -1, size)
    norms = [Qwen3RMSNorm(size, EPS) for _ in range(2)]
    for norm, weight in zip(norms, (query_weight, key_weight), strict=True):
        norm.weight.data = weight.data
    theirs = [norms[0](parts[:, :, :, :3].reshape(LENGTH, BATCH, heads, size)), norms[1](parts[:, :, :, 3])]
    tables = [torch.cat((table, table), -1)[None] for table in (cos, sin)]
    expected = apply_rotary_pos_emb(*(part.permute(1, 2, 0, 3) for part in theirs), *tables)
    torch.testing.assert_close(query.permute(1, 2, 0, 3), expected[0])
    torch.testing.assert_close(key.permute(1, 2, 0, 3), expected[1])
    torch.testing.assert_close(value, parts[:, :, :, 4])


def check_kernels(device: str) -> None:
    """In fp32, where the order of sums alone may differ, and in bf16, where plain torch computes in fp32 too."""
    from train import norm_rotate as module

    for heads, groups, size in ((6, 2, 16), (2, 2, 32), (4, 1, 64)):
        for dtype, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 2e-2)):
            made = case(heads, groups, size, dtype, device)

            def fused(mixed: torch.Tensor, weights: tuple[torch.Tensor, ...], tables: tuple[torch.Tensor, ...], *more: object) -> object:
                return module._Fused.apply(mixed, *weights, *tables, *more)

            for ours, expected in zip(results(fused, made, groups), results(reference, made, groups), strict=True):
                assert ours.dtype == expected.dtype == dtype
                torch.testing.assert_close(ours, expected, rtol=tolerance, atol=tolerance * float(expected.abs().max()))


def test_the_kernels_do_the_same_in_triton_s_interpreter() -> None:
    run = "from tests.train.test_norm_rotate import check_kernels; check_kernels('cpu')"
    done = subprocess.run([sys.executable, "-c", run], env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_cpu_takes_the_reference() -> None:
    made = case(4, 2, 16)
    for ours, expected in zip(results(norm_rotate, made, 2), results(reference, made, 2), strict=True):
        assert torch.equal(ours, expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_the_kernels_on_a_gpu() -> None:
    check_kernels("cuda")
