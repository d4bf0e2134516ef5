"""Checkpoints on disk: which are removed after a new one, and what is put right at the start of a phase.

Megatron's own tracker files do not say which checkpoint is whole: they are overwritten in place, before the last file is written. What
has no `complete.json` (kishi/checkpoints.py), or other sizes than it says, was cut by a kill or damaged later and is never trained from.
"""

import math
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from kishi.checkpoints import MARKER, fault, folder_of, step_of
from kishi.jsonl import Row
from recipes.schema_pretrain import Keep

TRACKER, TRAIN_STATE = "latest_checkpointed_iteration.txt", "latest_train_state.pt"
_REMOVED = ".removed-"


def repair(checkpoints: Path) -> tuple[int | None, list[str]]:
    """Remove what is not whole and point Megatron's trackers at the newest that is: its step, or None; and what was removed and why."""
    removed, newest = [], None
    for leftover in checkpoints.glob(f"{_REMOVED}*"):  # a kill came while it was removed
        shutil.rmtree(leftover)
    for checkpoint in sorted(checkpoints.glob("iter_*")):
        if why := fault(checkpoint):
            removed.append(f"{checkpoint.name} {why}")
            remove(checkpoint)
        else:
            newest = checkpoint
    for name in (TRACKER, TRAIN_STATE):
        (checkpoints / name).unlink(missing_ok=True)
    if newest is None:
        return None, removed
    shutil.copyfile(newest / "train_state.pt", checkpoints / TRAIN_STATE)
    (checkpoints / TRACKER).write_text(str(step_of(newest)))
    return step_of(newest), removed


def remove(checkpoint: Path) -> None:
    """Renamed first, so that a kill never leaves a part of it under its name; `repair` sweeps up after one."""
    checkpoint.rename(hidden := checkpoint.with_name(f"{_REMOVED}{checkpoint.name}"))
    shutil.rmtree(hidden, ignore_errors=True)


def last_saved(checkpoints: Path) -> int:
    """Step of the checkpoint that Megatron has just finished: asynchronous ones are finished steps after theirs."""
    return int((checkpoints / TRACKER).read_text())


def prune(checkpoints: Path, keep: Keep, rows: Iterable[Row], last_step: int) -> None:
    """Remove the marked checkpoints that the policy gives up. To be called when a newer one has been marked."""
    marked = [step_of(path) for path in checkpoints.glob("iter_*") if (path / MARKER).is_file()]
    for step in set(marked) - kept(marked, keep, mean_bits(rows), last_step):
        remove(folder_of(checkpoints, step))


def kept(steps: Iterable[int], keep: Keep, bits: Mapping[int, float], last_step: int) -> set[int]:
    """Of the steps with a whole checkpoint. `bits`: mean held-out bits per byte by step, where measured; `last_step` is the phase's."""
    ordered = sorted(steps)
    chosen = {*ordered[-keep.last :], *(step for step in ordered if step == last_step)}
    if keep.every:
        chosen |= {step for step in ordered if step % keep.every == 0}
    if keep.best and (step := best(ordered, bits)) is not None:
        chosen.add(step)
    return chosen


def best(steps: Iterable[int], bits: Mapping[int, float]) -> int | None:
    """The step with the lowest mean, the later of equals; None when none was measured."""
    return min((step for step in steps if step in bits), key=lambda step: (bits[step], -step), default=None)


def mean_bits(rows: Iterable[Row]) -> dict[int, float]:
    """Of the rows of `metrics.jsonl` that are measurements: mean over the languages, of clean text."""
    means = {row["step"]: sum(row["bits_per_byte"].values()) / len(row["bits_per_byte"]) for row in rows if "bits_per_byte" in row}
    return {step: mean for step, mean in means.items() if math.isfinite(mean)}
