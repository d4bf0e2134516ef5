"""Random choices that depend on a name and a seed alone, not on what else there is or in which order it comes."""

import hashlib


def draw(name: str, seed: int) -> float:
    """A number in [0, 1) that belongs to the name."""
    digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64
