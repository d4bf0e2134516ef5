"""The order in which examples are seen: the same on any number of processes."""

import math
import random
from collections.abc import Iterator

from torch.utils.data import Sampler


class FullBatches(Sampler[int]):
    """Each epoch a new order of all examples, filled up with its own beginning until the last batch is full.

    The trainer's own order has a short last batch, which is shared out differently over processes and parts of a step.
    """

    def __init__(self, size: int, batch: int, seed: int) -> None:
        self.size, self.batch, self.seed, self.epoch = size, batch, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer at the beginning of each."""
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(self.size / self.batch) * self.batch

    def __iter__(self) -> Iterator[int]:
        order = list(range(self.size))
        random.Random(f"{self.seed} {self.epoch}").shuffle(order)
        return iter([order[place % self.size] for place in range(len(self))])
