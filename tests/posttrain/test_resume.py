"""The chat stages killed at several moments and run again end with the same weights, byte for byte, as an undisturbed run."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.posttrain.conftest import FATES, STAGES

pytestmark = pytest.mark.slow

UNTIMED = ("step", "loss", "heldout_loss", "heldout_margin", "learning_rate", "gradient_norm", "tokens", "accuracy", "margin")


def _result(folder: Path) -> tuple[bytes, dict[str, Any], list[dict[str, float]]]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    untimed = [{key: row[key] for key in UNTIMED if key in row} for row in rows]
    return (folder / "model" / "model.safetensors").read_bytes(), json.loads((folder / "facts.json").read_text()), untimed


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("fate", [fate for fate, _ in FATES])
def test_a_killed_stage_ends_like_an_undisturbed_one(chat_runs: Path, stage: str, fate: str) -> None:
    weights, facts, rows = _result(chat_runs / fate / stage)
    expected_weights, expected_facts, expected_rows = _result(chat_runs / "whole" / stage)
    assert len(expected_rows) > 4 and rows == expected_rows
    assert facts == expected_facts
    assert weights == expected_weights


def test_the_weights_were_trained(chat_runs: Path) -> None:
    base, sft, dpo = (
        (chat_runs / name / "model.safetensors").read_bytes() for name in ("base/phase2", "whole/sft/model", "whole/dpo/model")
    )
    assert base != sft != dpo
