"""Other ways to train, on a small model: what each leaves behind."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from posttrain.scoring import scores

pytestmark = pytest.mark.slow


def _facts(folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((folder / "facts.json").read_text())
    return facts


def _rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_packing_makes_fewer_rows_and_trains(chat_runs: Path) -> None:
    facts, plain = _facts(chat_runs / "packed" / "sft"), _facts(chat_runs / "whole" / "sft")
    assert facts["packing"]["rows"] < facts["examples"]["train"] and 0.5 < facts["packing"]["filled"] <= 1
    assert facts["heldout_loss"]["before"] == plain["heldout_loss"]["before"] != facts["heldout_loss"]["after"]


@pytest.mark.parametrize("stage", ["sft", "dpo", "reward"])
def test_adapters_are_merged(chat_runs: Path, stage: str) -> None:
    """The saved model has the names and shapes of a full one, and only linear layers (and a new head) differ from its beginning."""
    start = chat_runs / ("base/phase2" if stage == "sft" else "whole/sft/model")
    before, after = load_file(start / "model.safetensors"), load_file(chat_runs / "lora" / stage / "model" / "model.safetensors")
    assert {name: w.shape for name, w in after.items() if name != "score.weight"} == {name: w.shape for name, w in before.items()}
    changed = {name for name, weights in before.items() if not torch.equal(weights, after[name])}
    assert changed and all("proj" in name for name in changed)
    facts = _facts(chat_runs / "lora" / stage)
    assert facts["lora"]["rank"] == 2 and facts["trained_parameters"] < _facts(chat_runs / "whole" / stage)["trained_parameters"] / 2


def test_noise_is_in_training_and_not_in_measuring(chat_runs: Path) -> None:
    noisy, plain = chat_runs / "neftune" / "sft", chat_runs / "whole" / "sft"
    first, without = (next(row["loss"] for row in _rows(folder) if "loss" in row) for folder in (noisy, plain))
    assert first != without
    assert _facts(noisy)["heldout_loss"]["before"] == _facts(plain)["heldout_loss"]["before"]


@pytest.mark.parametrize("name", ["kto", "reference-free"])
def test_other_preference_methods(chat_runs: Path, name: str) -> None:
    facts, plain = _facts(chat_runs / name / "dpo"), _facts(chat_runs / "whole" / "dpo")
    assert (facts["method"], facts["reference_free"]) == (("kto", False) if name == "kto" else ("dpo", True))
    assert facts["steps"] == plain["steps"]  # a step has the answers of as many pairs
    assert facts["heldout"]["before"]["likelier"] == plain["heldout"]["before"]["likelier"]
    assert facts["heldout"]["chosen_nats_per_token"] != facts["heldout"]["before"]["chosen_nats_per_token"]
    # against a reference the margin begins at 0, without one it is the model's own
    assert (facts["heldout"]["before"]["margin"] == 0) == (name == "kto")


def test_the_reward_model_loads_and_gives_the_same_scores(chat_runs: Path) -> None:
    folder = chat_runs / "whole" / "reward"
    model = AutoModelForSequenceClassification.from_pretrained(folder / "model", dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    rows = [json.loads(line) for line in (folder / "comparison.jsonl").read_text().splitlines()]
    assert len(rows) == 2
    for stage in ("sft", "dpo"):
        turns = [[*row["prompt"], {"role": "assistant", "content": row[stage]["text"]}] for row in rows]
        assert scores(model, tokenizer, turns).tolist() == pytest.approx([row[stage]["score"] for row in rows], abs=1e-4)
        alone = [float(scores(model, tokenizer, [one])[0]) for one in turns]  # padding beside a longer one changes nothing
        assert alone == pytest.approx(scores(model, tokenizer, turns).tolist(), abs=1e-5)


def test_what_the_reward_stage_says(chat_runs: Path) -> None:
    facts = _facts(chat_runs / "whole" / "reward")
    heldout = facts["heldout"]
    assert heldout["pairs"] == facts["examples"]["heldout"] == sum(row["pairs"] for row in heldout["by_kind"].values())
    assert sum(row["pairs"] for row in heldout["calibration"]["bins"]) == heldout["pairs"]
    assert facts["comparison"]["prompts"] == 2 and facts["comparison"]["best_of_n"]["samples"] == 2
    assert facts["comparison"]["best_of_n"]["score_best"] >= facts["comparison"]["best_of_n"]["score_one"]


def test_reinforcement_on_checked_tasks(chat_runs: Path) -> None:
    folder = chat_runs / "grpo" / "grpo"
    facts, rows = _facts(folder), _rows(folder)
    assert facts["examples"] == {"train": 4, "heldout": 6} and facts["steps"] == 2
    assert {"right", "obeyed", "in_language", "ended"} <= set(facts["heldout"]) and "ended" in facts["heldout"]["before"]
    assert [row["step"] for row in rows if "reward" in row] == [1, 2]
    assert (folder / "model" / "model.safetensors").is_file()
