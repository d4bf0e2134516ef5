"""What is shown and written while training: one progress line, and `metrics.jsonl` step by step."""

import time
from pathlib import Path
from typing import Any

from rich.progress import Progress
from transformers import TrainerCallback

from kishi.jsonl import append_row, forget_after
from kishi.progress import progress
from kishi.rank import is_worker

# TRL's names -> ours; all are computed by TRL on the batch of the step
NAMES = {
    "loss": "loss",
    "learning_rate": "learning_rate",
    "grad_norm": "gradient_norm",
    "num_input_tokens_seen": "tokens",
    "rewards/accuracies": "accuracy",
    "rewards/margins": "margin",
    "accuracy": "accuracy",
    "margin": "margin",
    "kl": "kl",
    "reward": "reward",
    "completions/mean_length": "answer_tokens",
}


class Recorder(TrainerCallback):
    """A row of metrics each step, and a progress bar with loss, speed and time left. To be added in the first process only."""

    def __init__(self, folder: Path, title: str) -> None:
        self.path, self.title = folder / "metrics.jsonl", title
        self.bar: Progress | None = None
        self.tokens, self.clock = 0, 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Forget rows after the checkpoint that training goes on from."""
        forget_after(self.path, state.global_step)
        self.tokens, self.clock = state.num_input_tokens_seen, time.monotonic()
        self.bar = progress()
        self.task = self.bar.add_task(self.title, total=state.max_steps, completed=state.global_step, info="")
        self.bar.start()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """One step has been done, or the held-out examples were measured."""
        logs = logs or {}
        if self.bar is not None and "loss" in logs:
            self._step(state, {ours: logs[theirs] for theirs, ours in NAMES.items() if theirs in logs})

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """What was measured between steps is no part of their time."""
        self.clock = time.monotonic()

    def _step(self, state: Any, row: dict[str, Any]) -> None:
        row.setdefault("tokens", self.tokens)
        seconds = max(time.monotonic() - self.clock, 1e-6)
        speed = round((row["tokens"] - self.tokens) / seconds)
        self.tokens = row["tokens"]
        append_row(self.path, {"step": state.global_step, **row, "tokens_per_second": speed, "seconds": round(seconds, 4)})
        info = f"loss {row['loss']:.3f}  {speed:,} tokens/s"
        assert self.bar is not None
        self.bar.update(self.task, completed=state.global_step, info=info)
        if is_worker():  # the stage that started it shows the bar
            print(f"step {state.global_step}/{state.max_steps}  {info}", flush=True)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Take the bar away."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
