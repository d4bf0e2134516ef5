"""The tools stage whole, on a random model of one narrow layer that reads bytes; and again after its training had ended."""

from pathlib import Path
from typing import Any

import pytest

from kishi import tool_scores
from kishi.errors import DataError
from kishi.jsonl import read_rows, write_rows
from recipes.job import Job
from recipes.loading import load_hardware, load_recipe
from tests.posttrain.tiny_base import make_base

pytestmark = pytest.mark.slow

SECTION = {
    "examples": 12, "heldout_examples": 6, "epochs": 1, "batch_size": 6, "learning_rate": 3e-3, "max_length": 4096, "answer_tokens": 4,
}  # fmt: skip


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("inputs")
    make_base(root / "dpo/model", layers=1, context=4096)
    sample = {kind: list(read_rows(Path(f"data/sample/{kind}.jsonl"))) for kind in ("sft", "tools")}
    common = {"license": "Apache-2.0", "source": "sample"}
    for kind, rows in sample.items():
        named = [{**row, **common, "task": row.get("kind", "chat")} for row in rows]
        write_rows(root / "chat-data" / kind / "train.jsonl", named[6:10])
        write_rows(root / "chat-data" / kind / "heldout.jsonl", named[:3])
    return {"dpo": root / "dpo", "chat-data": root / "chat-data"}


def _job(folder: Path, inputs: dict[str, Path], **changes: Any) -> Job:
    settings = [f"tools.{key}={value}" for key, value in {**SECTION, **changes}.items()]
    return Job(load_recipe(Path("recipes/kishi-tiny.yaml"), settings), load_hardware("cpu", ["micro_batch_size=2"]), folder, inputs)


def test_stage(tmp_path: Path, inputs: dict[str, Path]) -> None:
    from posttrain import tools

    facts = tools.run(_job(tmp_path, inputs))
    assert facts["heldout_loss"]["after"] < facts["heldout_loss"]["before"]
    assert facts["heldout"]["n"] == 3 * 6 + 3 and list(facts["heldout"]["splits"]) == ["seen", "unseen", "sources"]
    assert facts["examples"]["train"] == round((36 + 4) / 0.7) and facts["steps"] == 10
    answers = list(read_rows(tmp_path / "answers.jsonl"))
    assert tool_scores.table(answers) == {key: value for key, value in facts["heldout"].items() if key != "before"}
    assert len(list(read_rows(tmp_path / "data/train.jsonl"))) == 36 and len(list(read_rows(tmp_path / "before.jsonl"))) == len(answers)
    weights = (tmp_path / "model/model.safetensors").read_bytes()
    assert weights != (inputs["dpo"] / "model/model.safetensors").read_bytes()
    again = tools.run(_job(tmp_path, inputs))  # as after a kill between the last step and the manifest
    assert again == facts and (tmp_path / "model/model.safetensors").read_bytes() == weights


def test_a_short_context_is_refused(tmp_path: Path, inputs: dict[str, Path]) -> None:
    from posttrain import tools

    with pytest.raises(DataError, match="no tool conversation fits into 100 tokens"):
        tools.run(_job(tmp_path, inputs, max_length=100))
