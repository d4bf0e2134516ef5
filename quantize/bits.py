"""What a weight costs in a GGUF file."""

from pathlib import Path

from gguf import GGUFReader


def bits_per_weight(path: Path) -> float:
    """Of the tensors alone, without the header."""
    tensors = GGUFReader(path).tensors
    return 8 * sum(int(tensor.n_bytes) for tensor in tensors) / sum(int(tensor.n_elements) for tensor in tensors)
