"""Which checkpoints are whole. Megatron's own tracker files do not say it: they are overwritten in place, before the last file is written.

So each finished checkpoint gets `complete.json`, the sizes of its files, written last and atomically; what has none, or other sizes, was
cut by a kill or damaged later and is never trained from.
"""

import json
import shutil
from pathlib import Path

from kishi.jsonl import write_json

MARKER = "complete.json"
TRACKER, TRAIN_STATE = "latest_checkpointed_iteration.txt", "latest_train_state.pt"


def folder_of(checkpoints: Path, step: int) -> Path:
    """Megatron's name for the checkpoint after `step` steps."""
    return checkpoints / f"iter_{step:07d}"


def mark_complete(checkpoint: Path) -> None:
    """To be called when every process has written its part."""
    write_json(checkpoint / MARKER, {"files": _sizes(checkpoint)})


def _sizes(checkpoint: Path) -> dict[str, int]:
    files = (path for path in sorted(checkpoint.rglob("*")) if path.is_file() and not path.name.startswith(MARKER))
    return {path.relative_to(checkpoint).as_posix(): path.stat().st_size for path in files}


def fault(checkpoint: Path) -> str | None:
    """Why the checkpoint cannot be used; None when it is whole."""
    marker = checkpoint / MARKER
    if not marker.is_file():
        return "was cut off while it was written"
    try:
        expected = json.loads(marker.read_bytes())["files"]
    except (ValueError, KeyError):
        return f"{MARKER} cannot be read"
    found = _sizes(checkpoint)
    for name, size in expected.items():
        if name not in found:
            return f"{name} is missing"
        if found[name] != size:
            return f"{name} has {found[name]} bytes, not {size}"
    return None


def newest_whole(checkpoints: Path) -> int | None:
    """Steps of the newest checkpoint that can be used; changes nothing."""
    whole = (path for path in sorted(checkpoints.glob("iter_*"), reverse=True) if not fault(path))
    return next((_step(path) for path in whole), None)


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("iter_"))


def repair(checkpoints: Path) -> tuple[int | None, list[str]]:
    """Remove what is not whole and point Megatron's trackers at the newest that is: its step, or None; and what was removed and why."""
    removed, newest = [], None
    for checkpoint in sorted(checkpoints.glob("iter_*")):
        if why := fault(checkpoint):
            removed.append(f"{checkpoint.name} {why}")
            shutil.rmtree(checkpoint)
        else:
            newest = checkpoint
    for name in (TRACKER, TRAIN_STATE):
        (checkpoints / name).unlink(missing_ok=True)
    if newest is None:
        return None, removed
    step = _step(newest)
    shutil.copyfile(newest / "train_state.pt", checkpoints / TRAIN_STATE)
    (checkpoints / TRACKER).write_text(str(step))
    return step, removed
