"""Finished measurements on disk, so that a killed evaluation goes on with the next one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kishi.jsonl import write_json


def once(path: Path, key: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `measure` gave, now or in an earlier attempt with the same `key`.

    The stage's fingerprint already discards rows of another recipe or other inputs; `key` stands for what it does not cover. The file
    is renamed into place whole; one that is damaged all the same is measured again.
    """
    if not has(path, key):
        write_json(path, {"key": key, "measured": measure()})
    measured: dict[str, Any] = _read(path)["measured"]  # what a later attempt would find: equal results with and without a kill
    return measured


def has(path: Path, key: str) -> bool:
    """Whether a whole measurement with this key is there."""
    return _read(path).get("key") == key


def _read(path: Path) -> dict[str, Any]:
    try:
        kept = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return kept if isinstance(kept, dict) and "measured" in kept else {}
