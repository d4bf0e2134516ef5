"""Folders of Megatron checkpoints, and which of them are whole: those with `complete.json`, the sizes of their files, written last."""

import json
from pathlib import Path

from kishi.jsonl import write_json

MARKER = "complete.json"


def folder_of(checkpoints: Path, step: int) -> Path:
    """Megatron's name for the checkpoint after `step` steps."""
    return checkpoints / f"iter_{step:07d}"


def step_of(checkpoint: Path) -> int:
    """The other way round."""
    return int(checkpoint.name.removeprefix("iter_"))


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


def whole(checkpoints: Path) -> list[int]:
    """Steps of the whole ones, the newest last."""
    return [step_of(checkpoint) for checkpoint in sorted(checkpoints.glob("iter_*")) if fault(checkpoint) is None]
