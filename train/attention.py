"""The attention of a layer: queries and keys normed and rotated in one pass (train/norm_rotate.py), then cuDNN or flash attention through
Transformer Engine, or torch's `scaled_dot_product_attention`. Megatron's own core attention builds the whole score matrix.

Which of the two a model gets is decided where it is built: a checkpoint that was trained with Transformer Engine loads on a CPU.
"""

from typing import Any

import torch
from megatron.bridge.models.gpt_provider import GPTModelProvider, local_layer_spec, transformer_engine_layer_spec
from megatron.core.transformer.attention import SelfAttention
from megatron.core.transformer.module import MegatronModule
from megatron.core.transformer.spec_utils import ModuleSpec
from torch.nn.functional import scaled_dot_product_attention

from train.norm_rotate import norm_rotate


class SdpaCoreAttention(MegatronModule):
    """Causal attention; queries, keys and values are (sequence, batch, heads, head size)."""

    def __init__(self, config: Any, layer_number: int, *_: Any, softmax_scale: float | None = None, **__: Any) -> None:
        super().__init__(config=config)
        self.scale = softmax_scale

    def forward(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        """Returns (sequence, batch, heads * head size)."""
        q, k, v = (tensor.permute(1, 2, 0, 3) for tensor in (query, key, value))
        out = scaled_dot_product_attention(q, k, v, is_causal=True, scale=self.scale, enable_gqa=q.size(1) != k.size(1))
        return out.permute(2, 0, 1, 3).reshape(out.size(2), out.size(0), -1)


class HeadNorm(torch.nn.Module):
    """Holds the weight of a norm of heads. Called, and not just read, so that Megatron's hooks see it in use."""

    def __init__(self, config: Any, hidden_size: int, eps: float) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(hidden_size, device=torch.cuda.current_device(), dtype=config.params_dtype))
        self.weight.sequence_parallel = config.sequence_parallel  # type: ignore[attr-defined]  # its gradient is summed over tensor parallel

    def forward(self) -> torch.Tensor:
        """(head size)."""
        return self.weight


class NormRotateAttention(SelfAttention):  # type: ignore[misc]
    """Megatron's attention, in which queries and keys come out of the projection normed and rotated."""

    def forward(self, hidden_states: torch.Tensor, *args: Any, rotary_pos_emb: torch.Tensor, **more: Any) -> Any:
        """`rotary_pos_emb` are angles (sequence, 1, 1, head size), both halves equal."""
        angles = rotary_pos_emb[:, 0, 0, : rotary_pos_emb.size(-1) // 2].float()
        self.tables = angles.cos(), angles.sin()
        return super().forward(hidden_states, *args, rotary_pos_emb=None, **more)

    def get_query_key_value_tensors(self, hidden_states: torch.Tensor, *_: Any, **__: Any) -> tuple[torch.Tensor, ...]:
        """Queries, keys, values of this tensor-parallel rank, which has whole groups of heads."""
        mixed, _bias = self.linear_qkv(hidden_states)
        weights = self.q_layernorm(), self.k_layernorm()
        return norm_rotate(mixed, weights, self.tables, self.num_query_groups_per_partition, self.config.layernorm_epsilon)


def layer_spec(config: GPTModelProvider) -> ModuleSpec:
    """Megatron's layer through Transformer Engine; without it, or without a GPU, the one of `sdpa_layer_spec`."""
    from megatron.core.models.gpt.gpt_layer_specs import HAVE_TE

    if HAVE_TE and torch.cuda.is_available():
        return _with_attention(transformer_engine_layer_spec(config), config)
    return sdpa_layer_spec(config)


def sdpa_layer_spec(config: GPTModelProvider) -> ModuleSpec:
    """Megatron's layer without Transformer Engine."""
    spec = _with_attention(local_layer_spec(config), config)
    spec.submodules.self_attention.submodules.core_attention = SdpaCoreAttention
    return spec


def _with_attention(spec: ModuleSpec, config: GPTModelProvider) -> ModuleSpec:
    """A base model without norms of heads keeps Megatron's own way to queries and keys."""
    if not config.qk_layernorm:
        return spec
    attention = spec.submodules.self_attention
    attention.module = NormRotateAttention
    attention.submodules.q_layernorm = attention.submodules.k_layernorm = HeadNorm
    return spec
