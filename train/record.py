"""The callback that Megatron-Bridge calls around each step: `metrics.jsonl`, `samples.jsonl`, skipped steps, checkpoints."""

import math
import time
from pathlib import Path
from typing import Any

import torch
from megatron.bridge.training.callbacks import Callback, CallbackContext
from megatron.bridge.training.train import force_param_sync, should_disable_forward_pre_hook

from kishi import checkpoints
from kishi.errors import ArtefactError, KishiError
from kishi.jsonl import Row, append_row, forget_after, read_rows
from train import retention, stop
from train.evaluate import Evaluation
from train.plan import Plan
from train.spikes import Watch

METRICS, SAMPLES = "metrics.jsonl", "samples.jsonl"


class Recorder(Callback):
    """Loss and speed each step; a measurement every `evaluate_every` steps, before the phase's first and after its last."""

    def __init__(self, plan: Plan, watch: Watch) -> None:
        self.plan, self.pretrain, self.watch = plan, plan.recipe.pretrain, watch
        self.evaluation = Evaluation(plan)
        self.step_started = 0.0
        self.doubtful: set[int] = set()  # steps after which nobody has seen the weights do well

    @property
    def _first_rank(self) -> bool:
        return torch.distributed.get_rank() == 0

    def on_train_start(self, context: CallbackContext) -> None:
        """Forget rows after the checkpoint that training goes on from; measure what the phase starts with."""
        step = context.state.train_state.step
        self._check_start(step)
        fresh = step == self.plan.first_step
        rows: list[list[Row]] = [[]]
        if self._first_rank:
            for name in (METRICS, SAMPLES):
                forget_after(self.plan.folder / name, -1 if fresh else step)
            rows = [self._rows()]
        torch.distributed.broadcast_object_list(rows)
        self.watch.restore(rows[0])
        self.watch.attach(context.optimizer)
        if fresh:
            self._evaluate(context, step)

    def _check_start(self, step: int) -> None:
        """Megatron starts from random weights, with a warning, when it finds no checkpoint where it looks."""
        if step != self.plan.start_step:
            raise ArtefactError(f"training would begin at step {step}, not {self.plan.start_step}", where=self.plan.load_from or "")

    def on_train_step_start(self, context: CallbackContext) -> None:
        """Start the clock."""
        self.watch.begin()
        self.step_started = time.monotonic()

    def on_train_step_end(self, context: CallbackContext) -> None:
        """One row of metrics. Raises KishiError when a faulty step is the one too many."""
        step = context.state.train_state.step + 1  # counted up after this event
        seconds = time.monotonic() - self.step_started
        if self.watch.loss is None:
            raise RuntimeError("Megatron's optimizer updated without asking train/spikes.py: another version, or another kind of optimizer")
        tokens = self.pretrain.global_batch_size * self.pretrain.sequence_length
        row: Row = {"step": step, "phase": self.plan.phase, "tokens": step * tokens}
        if self.watch.fault:
            self._skipped(context, step, self.watch.loss)
            row |= {"skipped": self.watch.fault}
        else:
            row |= {"loss": self.watch.loss, "learning_rate": context.optimizer.param_groups[0]["lr"] if context.optimizer else None}
        self._append(METRICS, {**row, "tokens_per_second": round(tokens / seconds), "seconds": round(seconds, 4)})
        if step % self.pretrain.evaluate_every == 0 or step == self.plan.last_step:
            self._evaluate(context, step)
        if self._first_rank:
            stop.obey(self.plan.folder)

    def _skipped(self, context: CallbackContext, step: int, loss: float) -> None:
        """The batch is used up, so the schedule goes on. A checkpoint of now is not kept: this step's fault may be the weights'."""
        limit = self.pretrain.spike.skips_in_a_row
        stopping = self.pretrain.on_divergence == "stop" or self.watch.in_a_row > limit
        last = step == self.plan.last_step and not math.isfinite(loss)
        if stopping or last:
            many = f" ({self.watch.in_a_row} steps skipped in a row)" if self.watch.in_a_row > 1 else ""
            raise KishiError(
                f"{self.watch.fault} at step {step}: training diverged{many}",
                where=self.plan.folder / METRICS,
                fix="lower pretrain.learning_rate, or lengthen pretrain.warmup_steps; docs/pretraining.md tells more",
            )
        if step != self.plan.last_step:
            self.doubtful.add(step)
        if self._first_rank:
            print(f"step {step} skipped: {self.watch.fault}", flush=True)
        if context.scheduler:
            context.scheduler.step(increment=self.pretrain.global_batch_size)

    def on_checkpoint_save(self, context: CallbackContext) -> None:
        """Megatron has written everything, in every process; perhaps steps ago."""
        if not self._first_rank:
            return
        step = retention.last_saved(self.plan.checkpoints)
        checkpoint = checkpoints.folder_of(self.plan.checkpoints, step)
        if step in self.doubtful:
            retention.remove(checkpoint)
            return
        checkpoints.mark_complete(checkpoint)
        retention.prune(self.plan.checkpoints, self.pretrain.keep, self._rows(), self.plan.last_step)

    def _rows(self) -> list[Row]:
        path: Path = self.plan.folder / METRICS
        return list(read_rows(path)) if path.exists() else []

    def _append(self, name: str, row: dict[str, Any]) -> None:
        if self._first_rank:
            append_row(self.plan.folder / name, row)

    def _evaluate(self, context: CallbackContext, step: int) -> None:
        _gather_weights(context)
        row, samples = self.evaluation.measure(context.model[0], step)
        self._append(METRICS, row)
        for sample in samples:
            self._append(SAMPLES, sample)


def _gather_weights(context: CallbackContext) -> None:
    """Where that is overlapped with the next step's forward pass, a process has only its own share of the new weights by now."""
    config = context.state.cfg
    if should_disable_forward_pre_hook(
        config.ddp.use_megatron_fsdp, config.optimizer.use_distributed_optimizer, config.ddp.overlap_param_gather
    ):
        force_param_sync(context.model, optimizer=context.optimizer)
