"""What is written while training: `metrics.jsonl` and `samples.jsonl`, by the callback that Megatron-Bridge calls after each step."""

import json
import math
import resource
import time
from pathlib import Path
from typing import Any

import torch
from megatron.bridge.training.callbacks import Callback, CallbackContext
from tokenizers import Tokenizer

from kishi.errors import ArtefactError, KishiError
from kishi.jsonl import append_row, read_rows, write_rows
from kishi.special_tokens import END_OF_TEXT
from train import checkpoints
from train.evaluate import heldout_bits_per_byte, sample
from train.plan import Plan


class Recorder(Callback):
    """Loss and speed each step; bits per byte and samples every `evaluate_every` steps, before the phase's first and after its last."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.pretrain = plan, plan.recipe.pretrain
        self.counts = json.loads((plan.index / "heldout.json").read_text())
        self.tokenizer = Tokenizer.from_file(str(plan.folder / ".tokenizer.json"))
        self.step_started = 0.0

    @property
    def _first_rank(self) -> bool:
        return torch.distributed.get_rank() == 0

    def on_train_start(self, context: CallbackContext) -> None:
        """Forget rows after the checkpoint that training goes on from; measure what the phase starts with."""
        step = context.state.train_state.step
        self._check_start(step)
        fresh = step == self.plan.first_step
        if self._first_rank:
            for name in ("metrics.jsonl", "samples.jsonl"):
                _forget_after(self.plan.folder / name, -1 if fresh else step)
        torch.distributed.barrier()
        if fresh:
            self._evaluate(context, step)

    def _check_start(self, step: int) -> None:
        """Megatron starts from random weights, with a warning, when it finds no checkpoint where it looks."""
        if step != self.plan.start_step:
            raise ArtefactError(f"training would begin at step {step}, not {self.plan.start_step}", where=self.plan.load_from or "")

    def on_train_step_start(self, context: CallbackContext) -> None:
        """Start the clock."""
        self.step_started = time.monotonic()

    def on_train_step_end(self, context: CallbackContext) -> None:
        """One row of metrics. Raises KishiError at a loss or gradient that is not finite: no checkpoint of it is written."""
        step = context.state.train_state.step + 1  # counted up after this event
        seconds = time.monotonic() - self.step_started
        tokens = self.pretrain.global_batch_size * self.pretrain.sequence_length
        if context.loss_dict:  # only on the last pipeline stage
            loss = float(next(iter(context.loss_dict.values())))
            _check_finite(step, loss, context.grad_norm, self.plan)
            row = {
                "step": step,
                "phase": self.plan.phase,
                "tokens": step * tokens,
                "loss": round(loss, 6),
                "learning_rate": context.optimizer.param_groups[0]["lr"] if context.optimizer else None,
                "tokens_per_second": round(tokens / seconds),
                "seconds": round(seconds, 4),
            }
            self._append("metrics.jsonl", row)
        if step % self.pretrain.evaluate_every == 0 or step == self.plan.last_step:
            self._evaluate(context, step)

    def on_checkpoint_save(self, context: CallbackContext) -> None:
        """Megatron has written everything, in every process."""
        if self._first_rank:
            checkpoints.mark_complete(checkpoints.folder_of(self.plan.checkpoints, context.state.train_state.step))

    def _append(self, name: str, row: dict[str, Any]) -> None:
        if self._first_rank:
            append_row(self.plan.folder / name, row)

    def _evaluate(self, context: CallbackContext, step: int) -> None:
        model = context.model[0]
        model.eval()
        length = self.pretrain.sequence_length
        bits = heldout_bits_per_byte(model, self.plan.index, self.counts, length)
        texts = {language: self._sample(model, prompt, length) for language, prompt in self.pretrain.sample_prompts.items()}
        model.train()
        row = {"step": step, "phase": self.plan.phase, "bits_per_byte": bits, "peak_memory_bytes": peak_memory()}
        self._append("metrics.jsonl", row)
        for language, text in texts.items():
            row = {"step": step, "lang": language, "prompt": self.pretrain.sample_prompts[language], "text": text}
            self._append("samples.jsonl", row)

    def _sample(self, model: Any, prompt: str, length: int) -> str:
        ids = self.tokenizer.encode(prompt, add_special_tokens=False).ids
        written = sample(model, ids, self.pretrain.sample_tokens, length, self.tokenizer.token_to_id(END_OF_TEXT))
        text: str = self.tokenizer.decode(written, skip_special_tokens=False)
        return text


def _check_finite(step: int, loss: float, grad_norm: float | None, plan: Plan) -> None:
    for name, value in (("loss", loss), ("norm of the gradient", grad_norm)):
        if value is not None and not math.isfinite(value):
            raise KishiError(
                f"the {name} is {value} at step {step}: training diverged",
                where=plan.folder / "metrics.jsonl",
                fix="lower pretrain.learning_rate, or lengthen pretrain.warmup_steps",
            )


def peak_memory() -> int:
    """Bytes that this process held at most: on its GPU, or of RAM."""
    on_gpu = int(torch.cuda.max_memory_allocated())
    return on_gpu or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _forget_after(path: Path, step: int) -> None:
    """Drop rows of steps that will be done again; a last line cut by a kill goes too."""
    if not path.exists():
        return
    lines = path.read_bytes()
    path.write_bytes(lines[: lines.rfind(b"\n") + 1])
    write_rows(path, [row for row in read_rows(path) if row["step"] <= step])
