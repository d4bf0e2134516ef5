"""Measures held-out examples while training goes on, in the first process alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from kishi.jsonl import append_row
from kishi.rank import is_main

Measure = Callable[[], dict[str, Any]]


class Heldout(TrainerCallback):
    """A row of `metrics.jsonl` every so many steps and after the last. `measure` leaves out nothing and adds nothing to the mathematics:
    it draws no random numbers."""

    def __init__(self, folder: Path, every: int, measure: Measure) -> None:
        self.path, self.every, self.measure = folder / "metrics.jsonl", every, measure

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After the optimiser's step; the others go on to their next batch and wait there."""
        if is_main() and (state.global_step % self.every == 0 or state.global_step == state.max_steps):
            append_row(self.path, {"step": state.global_step, **self.measure()})
