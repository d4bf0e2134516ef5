"""`train.worker` on poisoned batches, with a diary of what each step leaves behind: `-m tests.train.poisoned_worker PLAN.json`.

Not a number: the mask of one sample, which only the last process reads, is NaN, so its loss and gradients really are. A spike: the whole
batch asks for a token that the text hardly has.
"""

import hashlib
import sys
from typing import Any

import torch

from kishi.jsonl import append_row
from train import worker
from train.cpu_engine import engine

NOT_A_NUMBER, SPIKE = (5, 12, 13, 14), (9,)  # steps
RARE_TOKEN = 700


def poison(batch: int) -> None:
    """`batch`: samples a step."""
    from train.data_order import PhaseSamples

    original = PhaseSamples.__getitem__

    def poisoned(self: Any, number: int) -> Any:
        sample, step = dict(original(self, number)), number // batch + 1
        if step in NOT_A_NUMBER and number % batch == batch - 1:
            sample["loss_mask"] = sample["loss_mask"] * float("nan")
        if step in SPIKE:
            sample["labels"] = torch.full_like(sample["labels"], RARE_TOKEN)
        return sample

    PhaseSamples.__getitem__ = poisoned  # type: ignore[method-assign]


def keep_diary() -> None:
    from train.record import Recorder

    original = Recorder.on_train_step_end

    def noted(self: Any, context: Any) -> None:
        row = {"step": context.state.train_state.step + 1, "state": digest(context.optimizer), "loss": self.watch.loss}
        try:
            original(self, context)
        finally:
            row["schedule"] = context.scheduler.num_steps
            append_row(self.plan.folder / f"diary-{torch.distributed.get_rank()}.jsonl", row)

    Recorder.on_train_step_end = noted  # type: ignore[method-assign]


def digest(optimizer: Any) -> str:
    """Of all weights, moments and step counters."""
    hashed = hashlib.sha256()
    for part in optimizer.chained_optimizers:
        for group in part.optimizer.param_groups:
            for weight in group["params"]:
                state = part.optimizer.state[weight]
                assert {"exp_avg", "exp_avg_sq", "step"} <= set(state) or not state
                for tensor in (weight, *(state[name] for name in sorted(state))):
                    hashed.update(torch.as_tensor(tensor).detach().contiguous().numpy().tobytes())
    return hashed.hexdigest()


if __name__ == "__main__":
    from pathlib import Path

    from train.plan import Plan

    with engine():
        poison(Plan.load(Path(sys.argv[1])).recipe.pretrain.global_batch_size)
        keep_diary()
    worker.main(sys.argv[1])
