"""The Triton kernels of train/norm_rotate.py. A program handles all heads of a token at once: rows of a tile are heads.

With x a head, w the weight of its norm and R its rotation: n = x / sqrt(mean(x^2) + eps), y = R(w n). Backward, with g = R^T dy:
dw = sum over tokens and heads of g n, and dx = (w g - n mean(w g n)) / sqrt(mean(x^2) + eps).
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl

_PROGRAMS = 1056  # of the backward pass, each with sums of its own: 8 on each of an H100's 132 multiprocessors
_WARPS = 4


@triton.jit
def _places(token, batch, PER_GROUP: tl.constexpr, GROUPS: tl.constexpr, HALF: tl.constexpr, ROWS: tl.constexpr):  # type: ignore[no-untyped-def]
    """Of a token's heads: which row is what, and where the first halves are in `mixed`, the queries, and the keys or values."""
    rows = tl.arange(0, ROWS)[:, None]
    columns = tl.arange(0, HALF)[None, :]
    group, member = rows // PER_GROUP, rows % PER_GROUP
    real = rows < GROUPS * PER_GROUP
    is_query, is_key, is_value = real & (member < PER_GROUP - 2), real & (member == PER_GROUP - 2), real & (member == PER_GROUP - 1)
    token = token.to(tl.int64)
    mixed = (token * GROUPS * PER_GROUP + rows) * 2 * HALF + columns
    query = (token * GROUPS * (PER_GROUP - 2) + group * (PER_GROUP - 2) + member) * 2 * HALF + columns
    other = (token * GROUPS + group) * 2 * HALF + columns
    angle = token // batch * HALF + columns
    return real, is_query, is_key, is_value, mixed, query, other, angle, columns


@triton.jit
def _forward(  # type: ignore[no-untyped-def]
    mixed_at, query_weight_at, key_weight_at, cos_at, sin_at, query_at, key_at, value_at, batch, eps,
    PER_GROUP: tl.constexpr, GROUPS: tl.constexpr, HALF: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    real, is_query, is_key, is_value, mixed, query, other, angle, columns = _places(tl.program_id(0), batch, PER_GROUP, GROUPS, HALF, ROWS)
    raw_1 = tl.load(mixed_at + mixed, mask=real, other=0.0)
    raw_2 = tl.load(mixed_at + mixed + HALF, mask=real, other=0.0)
    x_1, x_2 = raw_1.to(tl.float32), raw_2.to(tl.float32)
    scale = tl.rsqrt((tl.sum(x_1 * x_1, axis=1) + tl.sum(x_2 * x_2, axis=1)) / (2 * HALF) + eps)[:, None]
    w_1 = tl.where(is_query, tl.load(query_weight_at + columns).to(tl.float32), tl.load(key_weight_at + columns).to(tl.float32))
    w_2 = tl.where(
        is_query, tl.load(query_weight_at + HALF + columns).to(tl.float32), tl.load(key_weight_at + HALF + columns).to(tl.float32)
    )
    z_1, z_2 = x_1 * scale * w_1, x_2 * scale * w_2
    cos, sin = tl.load(cos_at + angle), tl.load(sin_at + angle)
    y_1, y_2 = (z_1 * cos - z_2 * sin).to(raw_1.dtype), (z_2 * cos + z_1 * sin).to(raw_1.dtype)
    tl.store(query_at + query, y_1, mask=is_query)
    tl.store(query_at + query + HALF, y_2, mask=is_query)
    tl.store(key_at + other, y_1, mask=is_key)
    tl.store(key_at + other + HALF, y_2, mask=is_key)
    tl.store(value_at + other, raw_1, mask=is_value)
    tl.store(value_at + other + HALF, raw_2, mask=is_value)


@triton.jit
def _backward(  # type: ignore[no-untyped-def]
    by_query_at, by_key_at, by_value_at, mixed_at, query_weight_at, key_weight_at, cos_at, sin_at, by_mixed_at, sums_at,
    tokens, batch, eps, PROGRAMS: tl.constexpr,
    PER_GROUP: tl.constexpr, GROUPS: tl.constexpr, HALF: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    sum_1 = tl.zeros((ROWS, HALF), tl.float32)
    sum_2 = tl.zeros((ROWS, HALF), tl.float32)
    first = tl.program_id(0)
    for turn in range(tl.cdiv(tokens - first, PROGRAMS)):
        token = first + turn * PROGRAMS
        real, is_query, is_key, is_value, mixed, query, other, angle, columns = _places(token, batch, PER_GROUP, GROUPS, HALF, ROWS)
        x_1 = tl.load(mixed_at + mixed, mask=is_query | is_key, other=0.0).to(tl.float32)
        x_2 = tl.load(mixed_at + mixed + HALF, mask=is_query | is_key, other=0.0).to(tl.float32)
        dy_1 = tl.load(by_query_at + query, mask=is_query, other=0.0) + tl.load(by_key_at + other, mask=is_key, other=0.0)
        dy_2 = tl.load(by_query_at + query + HALF, mask=is_query, other=0.0) + tl.load(by_key_at + other + HALF, mask=is_key, other=0.0)
        dv_1 = tl.load(by_value_at + other, mask=is_value, other=0.0)
        dv_2 = tl.load(by_value_at + other + HALF, mask=is_value, other=0.0)
        scale = tl.rsqrt((tl.sum(x_1 * x_1, axis=1) + tl.sum(x_2 * x_2, axis=1)) / (2 * HALF) + eps)[:, None]
        n_1, n_2 = x_1 * scale, x_2 * scale
        cos, sin = tl.load(cos_at + angle), tl.load(sin_at + angle)
        dy_1, dy_2 = dy_1.to(tl.float32), dy_2.to(tl.float32)
        g_1, g_2 = dy_1 * cos + dy_2 * sin, dy_2 * cos - dy_1 * sin
        sum_1 += g_1 * n_1
        sum_2 += g_2 * n_2
        w_1 = tl.where(is_query, tl.load(query_weight_at + columns).to(tl.float32), tl.load(key_weight_at + columns).to(tl.float32))
        w_2 = tl.where(
            is_query, tl.load(query_weight_at + HALF + columns).to(tl.float32), tl.load(key_weight_at + HALF + columns).to(tl.float32)
        )
        wg_1, wg_2 = w_1 * g_1, w_2 * g_2
        mean = ((tl.sum(wg_1 * n_1, axis=1) + tl.sum(wg_2 * n_2, axis=1)) / (2 * HALF))[:, None]
        dx_1, dx_2 = ((wg_1 - n_1 * mean) * scale).to(dv_1.dtype), ((wg_2 - n_2 * mean) * scale).to(dv_1.dtype)
        tl.store(by_mixed_at + mixed, tl.where(is_value, dv_1, dx_1), mask=real)
        tl.store(by_mixed_at + mixed + HALF, tl.where(is_value, dv_2, dx_2), mask=real)
    rows = tl.arange(0, ROWS)[:, None]
    is_query, is_key = rows % PER_GROUP < PER_GROUP - 2, rows % PER_GROUP == PER_GROUP - 2  # sums of rows that are no head are zero
    at = sums_at + first * 4 * HALF + tl.arange(0, HALF)
    tl.store(at, tl.sum(tl.where(is_query, sum_1, 0.0), axis=0))
    tl.store(at + HALF, tl.sum(tl.where(is_query, sum_2, 0.0), axis=0))
    tl.store(at + 2 * HALF, tl.sum(tl.where(is_key, sum_1, 0.0), axis=0))
    tl.store(at + 3 * HALF, tl.sum(tl.where(is_key, sum_2, 0.0), axis=0))


def _shape(mixed: torch.Tensor, weight: torch.Tensor, groups: int) -> dict[str, int]:
    rows = mixed.size(-1) // weight.numel()
    return {
        "PER_GROUP": rows // groups,
        "GROUPS": groups,
        "HALF": weight.numel() // 2,  # a power of two
        "ROWS": triton.next_power_of_2(rows),
        "num_warps": _WARPS,
    }


def forward(
    mixed: torch.Tensor, query_weight: torch.Tensor, key_weight: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, groups: int, eps: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """See `norm_rotate`. Head sizes must be powers of two."""
    (length, batch, width), size = mixed.shape, query_weight.numel()
    key, value = (mixed.new_empty(length, batch, groups, size) for _ in range(2))
    query = mixed.new_empty(length, batch, width // size - 2 * groups, size)
    shape = _shape(mixed, query_weight, groups)
    _forward[(length * batch,)](mixed, query_weight, key_weight, cos, sin, query, key, value, batch, eps, **shape)
    return query, key, value


def backward(
    gradients: Sequence[torch.Tensor], inputs: Sequence[torch.Tensor], groups: int, eps: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients of `mixed` and the two weights, from those of queries, keys and values; `inputs` are the tensors that `forward` took."""
    mixed, query_weight, key_weight, cos, sin = inputs
    (length, batch, _), size = mixed.shape, query_weight.numel()
    programs = min(length * batch, _PROGRAMS)
    by_mixed, sums = torch.empty_like(mixed), torch.empty(programs, 2, size, dtype=torch.float32, device=mixed.device)
    by_query, by_key, by_value = (gradient.contiguous() for gradient in gradients)
    _backward[(programs,)](
        by_query, by_key, by_value, mixed, query_weight, key_weight, cos, sin, by_mixed, sums,
        length * batch, batch, eps, programs, **_shape(mixed, query_weight, groups),
    )  # fmt: skip
    by_weights = sums.sum(0)
    return by_mixed, by_weights[0].to(query_weight.dtype), by_weights[1].to(key_weight.dtype)
