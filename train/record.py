"""What is written while training: `metrics.jsonl` and `samples.jsonl`, by the callback that Megatron-Bridge calls after each step."""

import json
import time
from pathlib import Path
from typing import Any

import torch
from megatron.bridge.training.callbacks import Callback, CallbackContext
from tokenizers import Tokenizer

from kishi.jsonl import append_row, read_rows, write_rows
from train.evaluate import heldout_bits_per_byte, sample
from train.plan import Plan


class Recorder(Callback):
    """Loss and speed each step; bits per byte and samples every `evaluate_every` steps, at the first and at the last."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.pretrain = plan, plan.recipe.pretrain
        self.counts = json.loads((plan.index / "heldout.json").read_text())
        self.tokenizer = Tokenizer.from_file(str(plan.folder / ".tokenizer.json"))
        self.step_started = 0.0

    @property
    def _first_rank(self) -> bool:
        return torch.distributed.get_rank() == 0

    def on_train_start(self, context: CallbackContext) -> None:
        """Forget rows after the checkpoint that training goes on from; measure the untrained model."""
        step = context.state.train_state.step
        if self._first_rank:
            for name in ("metrics.jsonl", "samples.jsonl"):
                _forget_after(self.plan.folder / name, step if self.plan.load_from else -1)
        torch.distributed.barrier()
        if step == 0:
            self._evaluate(context, 0)

    def on_train_step_start(self, context: CallbackContext) -> None:
        """Start the clock."""
        self.step_started = time.monotonic()

    def on_train_step_end(self, context: CallbackContext) -> None:
        """One row of metrics."""
        step = context.state.train_state.step + 1  # counted up after this event
        seconds = time.monotonic() - self.step_started
        tokens = self.pretrain.global_batch_size * self.pretrain.sequence_length
        if self._first_rank and context.loss_dict:
            row = {
                "step": step,
                "phase": self.plan.phase,
                "tokens": step * tokens,
                "loss": round(float(next(iter(context.loss_dict.values()))), 6),
                "learning_rate": context.optimizer.param_groups[0]["lr"] if context.optimizer else None,
                "tokens_per_second": round(tokens / seconds),
                "seconds": round(seconds, 4),
            }
            append_row(self.plan.folder / "metrics.jsonl", row)
        if step % self.pretrain.evaluate_every == 0 or step == self.plan.last_step:
            self._evaluate(context, step)

    def _evaluate(self, context: CallbackContext, step: int) -> None:
        model = context.model[0]
        model.eval()
        length = self.pretrain.sequence_length
        bits = heldout_bits_per_byte(model, self.plan.index, self.counts, length)
        texts = {language: self._sample(model, prompt, length) for language, prompt in self.pretrain.sample_prompts.items()}
        model.train()
        if self._first_rank:
            append_row(self.plan.folder / "metrics.jsonl", {"step": step, "phase": self.plan.phase, "bits_per_byte": bits})
            for language, text in texts.items():
                row = {"step": step, "lang": language, "prompt": self.pretrain.sample_prompts[language], "text": text}
                append_row(self.plan.folder / "samples.jsonl", row)

    def _sample(self, model: Any, prompt: str, length: int) -> str:
        ids = self.tokenizer.encode(prompt, add_special_tokens=False).ids
        text: str = self.tokenizer.decode(sample(model, ids, self.pretrain.sample_tokens, length), skip_special_tokens=False)
        return text


def _forget_after(path: Path, step: int) -> None:
    """Drop rows of steps that will be done again; a last line cut by a kill goes too."""
    if not path.exists():
        return
    lines = path.read_bytes()
    path.write_bytes(lines[: lines.rfind(b"\n") + 1])
    write_rows(path, [row for row in read_rows(path) if row["step"] <= step])
