"""From the QKV projection to what attention reads: split, RMSNorm of each query and key head, rotary positions, in one pass.

Done one after the other these are six kernels that each read and write every query and key; here each value is read once and written
once, forward and backward (train/norm_rotate_triton.py). On a CPU, and where torch.compile fuses by itself, plain torch does the same.
"""

from typing import Any

import torch


def norm_rotate(
    mixed: torch.Tensor, weights: tuple[torch.Tensor, torch.Tensor], tables: tuple[torch.Tensor, torch.Tensor], groups: int, eps: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries (sequence, batch, heads, head size), and keys and values (sequence, batch, groups, head size).

    `mixed` is (sequence, batch, groups x (queries of a group + 2) x head size): the queries of a group, its key, its value, as Megatron's
    projection leaves them. `weights` are those of the norms of queries and keys, (head size) each; `tables` are cosine and sine of the
    angles, fp32 (sequence, head size / 2), for rotation of the two halves of a head against each other, as in transformers' Qwen3.
    """
    if mixed.is_cuda and not torch.compiler.is_compiling():
        return _Fused.apply(mixed, *weights, *tables, groups, eps)  # type: ignore[no-any-return]
    return reference(mixed, weights, tables, groups, eps)


def reference(
    mixed: torch.Tensor, weights: tuple[torch.Tensor, torch.Tensor], tables: tuple[torch.Tensor, torch.Tensor], groups: int, eps: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The same in plain torch, computed in fp32."""
    size = weights[0].numel()
    length, batch, _ = mixed.shape
    heads = mixed.view(length, batch, groups, -1, size)
    query, key, value = heads[:, :, :, :-2], heads[:, :, :, -2:-1], heads[:, :, :, -1]
    query, key = (_rotate(_norm(part, weight, eps), tables).to(mixed.dtype) for part, weight in zip((query, key), weights, strict=True))
    return query.reshape(length, batch, -1, size), key.reshape(length, batch, groups, size), value.contiguous()


def _norm(heads: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    heads = heads.float()
    return heads * torch.rsqrt(heads.square().mean(-1, keepdim=True) + eps) * weight.float()


def _rotate(heads: torch.Tensor, tables: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    cos, sin = (table[:, None, None, None] for table in tables)
    first, second = heads.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


class _Fused(torch.autograd.Function):
    """`norm_rotate` on a GPU; keeps its input, and nothing of its output, for backward."""

    @staticmethod
    def forward(ctx: Any, mixed: Any, query_weight: Any, key_weight: Any, cos: Any, sin: Any, groups: int, eps: float) -> Any:
        from train import norm_rotate_triton

        ctx.save_for_backward(mixed, query_weight, key_weight, cos, sin)
        ctx.groups, ctx.eps = groups, eps
        return norm_rotate_triton.forward(mixed, query_weight, key_weight, cos, sin, groups, eps)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        from train import norm_rotate_triton

        by_mixed, by_query_weight, by_key_weight = norm_rotate_triton.backward(gradients, ctx.saved_tensors, ctx.groups, ctx.eps)
        return by_mixed, by_query_weight, by_key_weight, None, None, None, None
