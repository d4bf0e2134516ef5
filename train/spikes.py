"""Steps whose loss or gradient is not finite, or whose loss is a spike: found after the backward pass, before anything is updated.

Megatron-Core looks for gradients that are not finite only when it scales an fp16 loss, and Bridge's `iterations_to_skip` must be known
beforehand. But the optimizers do their update in `step_with_ready_grads`, and where that says False the loop counts the step as skipped:
weights and moments stay as they were, the batch is used up. That function is replaced here.

The threshold is that of OLMo-core's `SkipStepOptimizer`: a loss 6 standard deviations above the mean of the last 128. Median and 1.4826 x
the median absolute deviation take the place of mean and standard deviation, which a spike that was let through would move (Rousseeuw and
Croux 1993). PaLM left out the batches around spikes (arXiv 2204.02311, section 5.1).
"""

import math
from collections import deque
from collections.abc import Iterable
from statistics import median
from typing import Any

import torch

from kishi.jsonl import Row
from recipes.schema_pretrain import Pretrain, Spike

_LEAST_DEVIATION = 0.01  # of the median: where losses hardly differ, one per cent is no spike


class Watch:
    """Judges each step of a process; all processes come to the same end."""

    def __init__(self, pretrain: Pretrain) -> None:
        self._history: deque[float] = deque(maxlen=pretrain.spike.window)
        self._settings = pretrain.spike
        self._parts: list[torch.Tensor] = []
        self._norm: float | None = None
        self.loss: float | None = None  # of the step, mean over its tokens on all processes; None until it was judged
        self.fault: str | None = None  # of the step
        self.in_a_row = 0  # faulty steps up to this one

    def begin(self) -> None:
        """Before each step."""
        self.loss, self.fault = None, None

    def add(self, part: torch.Tensor) -> None:
        """A micro-batch's (sum of losses, number of tokens)."""
        self._parts.append(part)

    def attach(self, optimizer: Any) -> None:
        """From now on a faulty step updates nothing."""
        update, norm = optimizer.step_with_ready_grads, optimizer.get_grad_norm

        def noted_norm() -> float:
            self._norm = norm()
            return self._norm or 0.0

        def guarded_update() -> bool:
            self._judge(noted_norm() if self._norm is None else self._norm)
            self._norm = None
            return self.fault is None and bool(update())

        optimizer.get_grad_norm, optimizer.step_with_ready_grads = noted_norm, guarded_update

    def restore(self, rows: Iterable[Row]) -> None:
        """Losses of the phase's steps so far, from `metrics.jsonl`, so that a resumed run judges as an undisturbed one."""
        self._history.extend(row["loss"] for row in rows if "loss" in row)

    def _judge(self, norm: float | None) -> None:
        device = torch.cuda.current_device()
        total = (
            torch.stack(self._parts).sum(0).to(device) if self._parts else torch.zeros(2, device=device)
        )  # none: an early pipeline stage
        self._parts.clear()
        torch.distributed.all_reduce(total)
        self.loss = round(float(total[0] / total[1]), 6)  # as it is written, and so restored
        fault = find_fault(self.loss, norm, self._history, self._settings)
        found = torch.tensor(float(fault is not None), device=device)
        torch.distributed.all_reduce(found, op=torch.distributed.ReduceOp.MAX)
        self.fault = fault or ("another process found a fault" if found.item() else None)
        self.in_a_row = self.in_a_row + 1 if self.fault else 0
        if self.fault is None:
            self._history.append(self.loss)


def find_fault(loss: float, norm: float | None, history: Iterable[float], spike: Spike) -> str | None:
    """In words; None when the step may be made."""
    for name, value in (("loss", loss), ("norm of the gradient", norm)):
        if value is not None and not math.isfinite(value):
            return f"the {name} is {value}"
    limit = threshold(list(history), spike)
    return f"the loss {loss:.4f} is a spike, above {limit:.4f}" if loss > limit else None


def threshold(history: list[float], spike: Spike) -> float:
    """The highest loss that is no spike; infinite while there are too few to tell."""
    if spike.factor is None or len(history) < spike.window // 2:
        return math.inf
    middle = median(history)
    deviation = 1.4826 * median(abs(loss - middle) for loss in history)
    return middle + spike.factor * max(deviation, _LEAST_DEVIATION * middle)
