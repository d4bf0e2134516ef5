"""The numbers that GGUF's Q4_0 can hold: blocks of 32 weights of a row, each a 4-bit whole number times the block's 16-bit scale."""

import torch

BLOCK = 32


def q4_0(weight: torch.Tensor) -> torch.Tensor:
    """Each weight (last dimension a multiple of 32) moved to the place where llama.cpp's Q4_0 puts it, in 32 bits.

    The arithmetic is that of ggml's `quantize_row_q4_0_ref`: the weight of largest size in a block gets the code -8. Weights that are on
    the grid already stay where they are, so that a file made from them holds the same numbers.
    """
    blocks = weight.float().reshape(-1, BLOCK)
    largest = blocks.gather(1, blocks.abs().argmax(1, keepdim=True))
    scale = largest / -8
    inverse = torch.where(scale == 0, 0.0, 1 / scale)
    codes = (blocks * inverse + 8.5).trunc().clamp(max=15) - 8
    return (codes * scale.half().float()).reshape(weight.shape)


class StraightThrough(torch.nn.Module):
    """Parametrization of a weight: forward sees the grid, the gradient goes to the weight behind it (arXiv 1308.3432)."""

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """The weight on the grid."""
        return weight + (q4_0(weight) - weight).detach()
