"""Checkpoints that a killed run may go on from: only those that were written to their end."""

import json
import shutil
from pathlib import Path
from typing import Any

from torch import distributed
from transformers import TrainerCallback

from kishi.rank import is_main

COMPLETE = "complete"  # the trainer calls on_save after the last file of a checkpoint


class MarkComplete(TrainerCallback):
    """Puts a marker into each checkpoint that is whole. transformers itself would take one that a kill cut short."""

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Called in each process when its own files are there."""
        if distributed.is_initialized():
            distributed.barrier()
        if is_main():
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / COMPLETE).touch()


def newest_complete(folder: Path) -> Path | None:
    """The checkpoint to go on from, or None. All others are removed: cut ones would count in the trainer's own clean-up."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    newest = next((path for path in reversed(found) if (path / COMPLETE).is_file()), None)
    for path in found:
        if path != newest and is_main():
            shutil.rmtree(path)
    return newest


def is_last(checkpoint: Path) -> bool:
    """Whether training had ended: the trainer would otherwise do one step too many."""
    state = json.loads((checkpoint / "trainer_state.json").read_text())
    return bool(state["global_step"] >= state["max_steps"])
