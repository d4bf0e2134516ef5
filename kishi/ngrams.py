"""Runs of words as 64-bit numbers, so that numpy can count them."""

from functools import lru_cache

import numpy as np
import xxhash

_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 by the golden ratio: spreads over all bits


@lru_cache(1 << 18)
def word_hash(word: str) -> int:
    """The same number in each process and on each machine."""
    return xxhash.xxh64_intdigest(word.encode("utf-8"))


def hash_runs(numbers: np.ndarray, length: int) -> np.ndarray:
    """Of words by their numbers (uint64), each run of `length`: shape (words - length + 1,), empty when there are fewer words."""
    count = len(numbers) - length + 1
    if count <= 0:
        return numbers[:0]
    result = numbers[:count].copy()
    for place in range(1, length):
        result = (result + np.uint64(1)) * _ODD + numbers[place : place + count]
        result ^= result >> np.uint64(29)
    return result
