"""Core attention through torch's `scaled_dot_product_attention`: Megatron's local attention builds the whole score matrix."""

from typing import Any

import torch
from megatron.bridge.models.gpt_provider import GPTModelProvider, local_layer_spec
from megatron.core.transformer.module import MegatronModule
from megatron.core.transformer.spec_utils import ModuleSpec
from torch.nn.functional import scaled_dot_product_attention


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


def sdpa_layer_spec(config: GPTModelProvider) -> ModuleSpec:
    """Megatron's layer without Transformer Engine, with this attention in it."""
    spec = local_layer_spec(config)
    spec.submodules.self_attention.submodules.core_attention = SdpaCoreAttention
    return spec
