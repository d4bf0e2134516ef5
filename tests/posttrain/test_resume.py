"""The chat stages killed at several moments and run again end with the same weights, byte for byte, as an undisturbed run."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kishi.signals import STOPPED

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).with_name("chat_runs.py")
ENVIRONMENT = {**os.environ, "PYTHONPATH": ".", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
UNTIMED = ("step", "loss", "heldout_loss", "heldout_margin", "learning_rate", "gradient_norm", "tokens", "accuracy", "margin")
FATES = [("die-after", 1), ("die-while-saving", 2), ("die-after-training", 0), ("stop-after", 1)]
STAGES = ("sft", "dpo", "reward")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each stage undisturbed, and killed once at each moment and then run again."""
    place = tmp_path_factory.mktemp("chat")
    _write_short(place / "sft.jsonl", "data/sample/sft.jsonl", most_bytes=330, count=40)
    _write_short(place / "dpo.jsonl", "data/sample/preference.jsonl", most_bytes=520, count=32)
    undisturbed = [(stage, "whole", "", 0) for stage in STAGES]
    killed = [(stage, fate, fate, step) for stage in STAGES for fate, step in FATES]
    again = [(stage, fate, "", 0) for stage in STAGES for fate, _ in FATES]
    (place / "plan.json").write_text(json.dumps([*undisturbed, *killed, *again]))
    done = subprocess.run([sys.executable, str(PROGRAM), str(place)], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    codes = json.loads(done.stdout.splitlines()[-1])
    ended = [STOPPED if fate == "stop-after" else -signal.SIGKILL for _, _, fate, _ in killed]
    assert codes == [0] * len(undisturbed) + ended + [0] * len(again), done.stderr[-3000:]
    return place


def _write_short(path: Path, source: str, most_bytes: int, count: int) -> None:
    lines = [line for line in Path(source).read_text(encoding="utf-8").splitlines() if len(line.encode()) < most_bytes]
    path.write_text("\n".join(lines[:count]), encoding="utf-8")


def _result(folder: Path) -> tuple[bytes, dict[str, Any], list[dict[str, float]]]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    untimed = [{key: row[key] for key in UNTIMED if key in row} for row in rows]
    return (folder / "model" / "model.safetensors").read_bytes(), json.loads((folder / "facts.json").read_text()), untimed


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("fate", [fate for fate, _ in FATES])
def test_a_killed_stage_ends_like_an_undisturbed_one(folder: Path, stage: str, fate: str) -> None:
    weights, facts, rows = _result(folder / fate / stage)
    expected_weights, expected_facts, expected_rows = _result(folder / "whole" / stage)
    assert len(expected_rows) > 4 and rows == expected_rows
    assert facts == expected_facts
    assert weights == expected_weights


def test_the_weights_were_trained(folder: Path) -> None:
    base, sft, dpo = ((folder / name / "model.safetensors").read_bytes() for name in ("base/phase2", "whole/sft/model", "whole/dpo/model"))
    assert base != sft != dpo
