"""The repository's benchmark records: a run's own figures are in its manifests, what each optimisation brought is here."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from report.view import is_number, table_of

RECORDS = Path("bench/records")


@dataclass(frozen=True)
class Record:
    """One folder's result.json. `unreadable` says why its figures are not here."""

    folder: str
    name: str
    date: str
    device: str
    commit: str
    command: str
    unreadable: str = ""


@dataclass(frozen=True)
class Speed:
    """One variant that was timed; `file` is `result`, or what stands beside it: `before`, `peer`."""

    folder: str
    file: str
    variant: str
    tokens_per_second: float
    processes: int
    mfu: float | None


def records(folder: Path | None = None) -> list[Record]:
    """Every record, the newest last. A folder without a readable result.json stays in the list and says so."""
    return [_record(path) for path in sorted((folder or RECORDS).glob("*/")) if path.is_dir()]


def _record(path: Path) -> Record:
    try:
        found = table_of(json.loads((path / "result.json").read_bytes()))
    except (OSError, ValueError) as error:
        return Record(path.name, path.name, path.name[:10], "", "", "", f"result.json: {type(error).__name__}")
    date = str(found.get("date") or path.name[:10])
    commit = str(found.get("commit") or "")[:12] + (" (with changes)" if found.get("uncommitted_changes") else "")
    return Record(
        path.name, str(found.get("name") or path.name), date, _device(found.get("device")), commit, str(found.get("command") or "")
    )


def _device(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value or "")
    gpus = [str(gpu).partition(",")[0] for gpu in value.get("gpus") or ()]
    return f"{len(gpus)} x {gpus[0]}" if gpus else f"{value.get('cpu', 'CPU')}, {value.get('cores', '?')} cores"


def speeds(folder: Path | None = None) -> list[Speed]:
    """Training speeds of all records: every variant that has tokens a second, with the files that stand beside a result."""
    return [speed for path in sorted((folder or RECORDS).glob("*/*.json")) for speed in _speeds(path)]


def _speeds(path: Path) -> Iterator[Speed]:
    try:
        figures = table_of(table_of(json.loads(path.read_bytes())).get("figures"))
    except (OSError, ValueError):
        return
    for variant, row in figures.items():
        # of training: a row that also says how long a step took
        if isinstance(row, dict) and is_number(row.get("tokens_per_second")) and is_number(row.get("ms_per_step")):
            mfu = row.get("mfu")
            processes = int(row.get("processes") or 1)
            yield Speed(path.parent.name, path.stem, variant, row["tokens_per_second"], processes, mfu if is_number(mfu) else None)
