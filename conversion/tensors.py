"""The tensors in a Hugging Face folder's safetensors: which there are, and that they are the same as others, bit for bit."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from safetensors import safe_open

from kishi.errors import ParityError

HEAD = "lm_head.weight"


def places(folder: Path) -> dict[str, Path]:
    """Name of each tensor -> the file that holds it."""
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("model*.safetensors")):
        with safe_open(path, "pt") as tensors:
            found |= dict.fromkeys(tensors.keys(), path)
    return found


def tied(folder: Path) -> bool:
    """Whether the head is the embedding, so that it is no tensor of its own."""
    return bool(json.loads((folder / "config.json").read_bytes()).get("tie_word_embeddings", False))


def check_same(folder: Path, weights: Iterable[tuple[str, Any]]) -> int:
    """Compare each weight with the folder's, in fp32; returns how many.

    Raises ParityError when one is missing on either side, or differs in one bit.
    """
    seen: set[str] = set()
    expected, head = places(folder), HEAD if tied(folder) else None
    expected.pop(head or "", None)
    for name, (weight, original) in _pairs(expected, weights):
        if name == head:
            continue
        if original is None:
            raise ParityError(f"Megatron's {name} is not in the folder", where=folder, fix="a weight was lost: get the model again")
        if original.shape != weight.shape or not bool((original == weight).all()):
            raise ParityError(f"{name} comes back from Megatron with other values", where=folder, fix="this model cannot be converted")
        seen.add(name)
    if lost := sorted(expected.keys() - seen):
        listed = ", ".join(lost[:3])
        raise ParityError(f"{len(lost)} tensors have no place in Megatron's model: {listed}", where=folder, fix="it cannot be converted")
    return len(seen)


def _pairs(expected: dict[str, Path], weights: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """One weight at a time beside its original, so that the model is not in memory twice more."""
    for name, weight in weights:
        original = None
        if name in expected:
            with safe_open(expected[name], "pt") as tensors:
                original = tensors.get_tensor(name).float()
        yield name, (weight.float(), original)


def check_stored(folder: Path, expected: set[str]) -> None:
    """The files hold these tensors and no others: a tied head once. Raises ParityError."""
    found = set(places(folder))
    for problem, names in (("missing", expected - found), ("too many", found - expected)):
        if names:
            raise ParityError(f"{len(names)} tensors {problem}: {', '.join(sorted(names)[:3])}", where=folder, fix="run the stage again")
