"""The stage's own worker (train/worker.py) with a stopwatch: `torchrun -m bench.step_times PLAN.json`, for bench/variant.py."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import torch

from bench import kernel_groups
from bench.variant import PROFILE, TIMES, Request
from kishi.jsonl import write_json
from kishi.processes import die_with_parent
from train import worker


def watcher(plan: Any) -> Any:
    """Megatron-Bridge's callback that takes the times; made here because Bridge can only be imported inside of the engine."""
    from megatron.bridge.training.callbacks import Callback

    folder = plan.folder.parent
    request = Request.read(folder)

    class StepTimes(Callback):  # type: ignore[misc]
        """From the end of one step to the end of the next: with data, logging and everything else that the loop does."""

        def __init__(self) -> None:
            self.ends: list[float] = []
            self.losses: list[float] = []
            self.profiler: Any = None

        def on_train_step_end(self, context: Any) -> None:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            self.ends.append(time.perf_counter())
            if context.loss_dict:
                self.losses.append(float(next(iter(context.loss_dict.values()))))
            done = len(self.ends)
            if done == request.warm_up + request.steps:
                self._write()
                self.profiler = kernel_groups.start() if request.profiled and _first() else None
            if done == request.all_steps:
                if self.profiler:
                    kernel_groups.write(self.profiler, request.profiled, folder / PROFILE)
                _leave()

        def _write(self) -> None:
            peak = torch.tensor([torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()], dtype=torch.int64)
            if torch.cuda.is_available():
                peak = peak.cuda()
            torch.distributed.all_reduce(peak, op=torch.distributed.ReduceOp.MAX)
            if _first():
                write_json(folder / TIMES, times(self.ends, request.warm_up, self.losses, peak.tolist()))

    return StepTimes()


def times(ends: list[float], warm_up: int, losses: list[float], peak: list[int]) -> dict[str, Any]:
    """Seconds of each step after the warm-up, first and last loss, bytes of the GPU that tensors, and torch, held at most."""
    seconds = [after - before for before, after in zip(ends[warm_up - 1 :], ends[warm_up:], strict=False)]
    return {
        "seconds": seconds,
        "loss": [round(losses[0], 4), round(losses[-1], 4)] if losses else [float("nan")] * 2,
        "peak_memory_bytes": peak[0],
        "reserved_memory_bytes": peak[1],
    }


def _first() -> bool:
    return torch.distributed.get_rank() == 0


def _leave() -> None:
    """End all processes at once, with success: what would come next is a checkpoint that nobody wants."""
    torch.distributed.barrier()
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    worker.main(str(Path(sys.argv[1])), watcher)
elif __name__ == "__mp_main__":  # as in train/worker.py
    die_with_parent()
