"""How numbers are stored, in the words of compressed-tensors."""

from typing import Any


def w4a16(group_size: int, symmetric: bool) -> dict[str, Any]:
    """4-bit integer weights with a scale (and, if not symmetric, a zero point) each group of a row; activations stay in 16 bits."""
    weights = {"num_bits": 4, "type": "int", "symmetric": symmetric, "strategy": "group", "group_size": group_size, "dynamic": False}
    return {"group_0": {"targets": ["Linear"], "weights": weights}}
