"""Which samples a phase sees: its own data set from its own first sample on, whatever was trained before.

Megatron counts consumed samples over the whole run and lets the sampler begin there. Phase 2 has other text, so without this it would
skip the beginning of a data set that it has never read, and the epochs of a small clean set would be uneven.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from megatron.bridge.data import utils as bridge_data
from megatron.bridge.training.config import GPTDatasetConfig
from torch.distributed import get_rank
from torch.utils.data import Dataset

from kishi.jsonl import write_json
from train.plan import SAMPLES_SEEN


@dataclass(init=False)
class PhaseDatasetConfig(GPTDatasetConfig):  # type: ignore[misc]
    """Megatron's configuration, and the number of samples consumed before this phase."""

    first_sample: int = 0

    def __init__(self, *args: Any, first_sample: int = 0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.first_sample = first_sample


class PhaseSamples(Dataset):  # type: ignore[misc]
    """Sample `first + n` of the run is sample n of the phase."""

    def __init__(self, samples: Any, first: int) -> None:
        self.samples, self.first = samples, first

    def __len__(self) -> int:
        """Counts the samples of earlier phases too: the sampler compares it with all that was consumed."""
        return self.first + len(self.samples)

    def __getitem__(self, number: int) -> Any:
        """Raises IndexError for a sample of an earlier phase."""
        if number < self.first:
            raise IndexError(f"sample {number} belongs to an earlier phase, this one begins at {self.first}")
        return self.samples[number - self.first]


def build(counts: list[int], config: PhaseDatasetConfig) -> tuple[PhaseSamples, None, None]:
    """Bridge's interface; `counts[0]` are the samples from the first step of the run to the last of this phase."""
    own = counts[0] - config.first_sample
    samples, _, _ = bridge_data.pretrain_train_valid_test_datasets_provider([own, 0, 0], config)
    return PhaseSamples(samples, config.first_sample), None, None


def samples_per_index(phase: PhaseSamples, prefixes: list[str], end: int) -> dict[str, int]:
    """How many of the phase's samples come from each index of the blend, up to sample `end` of the run: Megatron builds some to spare."""
    count = end - phase.first
    which = getattr(phase.samples, "dataset_index", None)  # a blend of one is no blend
    found = Counter(np.asarray(which)[:count].tolist()) if which is not None else Counter({0: count})
    return {prefix: found[number] for number, prefix in enumerate(prefixes)}


def register(folder: Path, prefixes: list[str]) -> None:
    """Make Bridge build `PhaseDatasetConfig` with `build`, and note the samples of each index. It asks its table in order: ours first."""

    def build_and_note(counts: list[int], config: PhaseDatasetConfig) -> tuple[PhaseSamples, None, None]:
        built = build(counts, config)
        if get_rank() == 0:
            write_json(folder / SAMPLES_SEEN, samples_per_index(built[0], prefixes, counts[0]))
        return built

    others = {kind: function for kind, function in bridge_data._REGISTRY.items() if kind is not PhaseDatasetConfig}
    bridge_data._REGISTRY = {PhaseDatasetConfig: build_and_note, **others}
