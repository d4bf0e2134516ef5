"""The chat stages on a small model, run once for the slow tests: undisturbed, killed and started again, and in other ways to train."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kishi.jsonl import write_rows
from kishi.signals import STOPPED

PROGRAM = Path(__file__).with_name("chat_runs.py")
ENVIRONMENT = {**os.environ, "PYTHONPATH": ".", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
FATES = [("die-after", 1), ("die-while-saving", 2), ("die-after-training", 0), ("stop-after", 1)]
STAGES = ("sft", "dpo", "reward")
VARIANTS = [
    *(("sft", name) for name in ("packed", "lora", "neftune")),
    *(("dpo", name) for name in ("kto", "reference-free", "lora")),
    ("reward", "lora"),
    ("grpo", "grpo"),
]


@pytest.fixture(scope="session")
def chat_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with `<name of the run>/<stage>`."""
    place = tmp_path_factory.mktemp("chat")
    _write_short(place / "sft", most_bytes=330, count=40)
    _write_short(place / "preference", most_bytes=520, count=32)
    undisturbed = [(stage, "whole", "", 0) for stage in STAGES]
    killed = [(stage, fate, fate, step) for stage in STAGES for fate, step in FATES]
    again = [(stage, fate, "", 0) for stage in STAGES for fate, _ in FATES] + [(stage, name, "", 0) for stage, name in VARIANTS]
    (place / "plan.json").write_text(json.dumps([*undisturbed, *killed, *again]))
    done = subprocess.run([sys.executable, str(PROGRAM), str(place)], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    codes = json.loads(done.stdout.splitlines()[-1])
    ended = [STOPPED if fate == "stop-after" else -signal.SIGKILL for _, _, fate, _ in killed]
    assert codes == [0] * len(undisturbed) + ended + [0] * len(again), done.stderr[-3000:]
    return place


def _write_short(folder: Path, most_bytes: int, count: int) -> None:
    """A tenth held out, as the chat-data stage writes it."""
    lines = Path(f"data/sample/{folder.name}.jsonl").read_text(encoding="utf-8").splitlines()
    short = [json.loads(line) | {"license": "Apache-2.0"} for line in lines if len(line.encode()) < most_bytes][:count]
    write_rows(folder / "heldout.jsonl", short[: count // 10])
    write_rows(folder / "train.jsonl", short[count // 10 :])
