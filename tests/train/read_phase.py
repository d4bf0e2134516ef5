"""What a phase would read, without training: `python -m tests.train.read_phase PLAN.json`. Prints one JSON object.

In a process of its own, because on a CPU Megatron-Bridge can only be imported beside a patched torch.
"""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from bench.phase_samples import alone, open_phase
from train.cpu_engine import engine
from train.plan import Plan


def main(plan: Plan) -> dict[str, Any]:
    alone()
    batch = plan.recipe.pretrain.global_batch_size
    first, end = plan.first_step * batch, plan.last_step * batch
    data = open_phase(plan)
    middle = first + (end - first) // 2
    return {
        "phase": [key(data[number]) for number in range(first, end)],
        "own_order": [key(data.samples[number]) for number in range(end - first)],
        "loaded": loaded(data, first, end, batch),
        "resumed": loaded(data, middle, end, batch),
        "two_ranks": [loaded(data, first, end, batch, rank, 2) for rank in range(2)],
        "covered": coverage(data.samples, end - first),
    }


def key(sample: dict[str, Any]) -> int:
    return hash(tuple(sample["tokens"].tolist()))


def loaded(data: Any, consumed: int, end: int, batch: int, rank: int = 0, ranks: int = 1) -> list[int]:
    """What Bridge's loader gives a process that goes on after `consumed` samples, up to sample `end` of the run."""
    from megatron.bridge.data.samplers import build_pretraining_data_loader

    loader = build_pretraining_data_loader(
        data, consumed, "single", batch // ranks, 0, True, data_parallel_rank=rank, data_parallel_size=ranks, pin_memory=False
    )
    keys = [key({"tokens": row}) for rows in loader for row in rows["tokens"]]
    return keys[: (end - consumed) // ranks]


def coverage(blend: Any, count: int) -> list[list[list[int]]]:
    """For each index of the blend, for each of its documents: [length, tokens of it that the first `count` samples hold]."""
    seen = [Counter[int]() for _ in blend.datasets]
    for number in range(count):
        which = int(blend.dataset_index[number])
        data = blend.datasets[which]
        row = int(data.shuffle_index[int(blend.dataset_sample_index[number])])
        (begin, offset), (end, end_offset) = data.sample_index[row].tolist(), data.sample_index[row + 1].tolist()
        for place in range(begin, end + 1):
            document = int(data.document_index[place])
            start = offset if place == begin else 0
            stop = end_offset if place == end else len(data.dataset.get(document))
            seen[which][document] += stop - start
    return [
        [[len(data.dataset.get(document)), seen[which][document]] for document in sorted(set(data.document_index.tolist()))]
        for which, data in enumerate(blend.datasets)
    ]


if __name__ == "__main__":
    with engine():
        print(json.dumps(main(Plan.load(Path(sys.argv[1])))))
