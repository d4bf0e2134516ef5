"""A benchmark's record: what was run, where, from which code, and the figures."""

import os
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kishi.jsonl import write_json

RECORDS = Path("bench/records")


def write_record(folder: Path, name: str, figures: dict[str, Any], **more: Any) -> None:
    """`result.json`: name, device, commit, command, figures, and whatever else the benchmark has to say."""
    commit = os.environ.get("KISHI_COMMIT") or _output("git", "rev-parse", "HEAD")  # a copy of the code may come without .git
    changed = _output("git", "status", "--porcelain", "-uno")
    record = {
        "name": name,
        "date": datetime.now(UTC).date().isoformat(),
        "device": device(),
        "commit": commit,
        "uncommitted_changes": bool(changed),
        "command": _command(),
        **more,
        "figures": figures,
    }
    write_json(folder / "result.json", record)


def _command() -> str:
    """Without the folders of this machine: of an absolute path its last name stays."""
    words = [Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:]]
    return shlex.join(["python", "-m", sys.modules["__main__"].__spec__.name, *words])  # type: ignore[union-attr]


def device() -> dict[str, Any]:
    """The processor, how many cores this process may use, how busy they were, and the GPUs."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    about: dict[str, Any] = {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }
    if gpus := _output("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"):
        about["gpus"] = gpus.splitlines()
    return about


def _output(*command: str) -> str:
    """What a program prints; nothing when it is not there."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return ""
