"""What training text is compared with."""

import json
from pathlib import Path

import pytest

from data_prep.evaluation_texts import evaluation_texts
from kishi.errors import DataError
from tests.data_prep.documents import job


@pytest.mark.parametrize("content", [None, b"", b"{broken\n", b"[1]\n"])
def test_an_evaluation_set_that_cannot_be_read_stops_the_stage(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "mcq.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match="evaluation set sample_mcq"):
        evaluation_texts(job(tmp_path / "run", f"eval.tasks.0.path={path}").recipe)


def test_all_turns_and_answers_are_compared(tmp_path: Path) -> None:
    found = evaluation_texts(job(tmp_path).recipe)
    first = json.loads(Path("data/sample/sft.jsonl").read_text().splitlines()[0])
    assert first["messages"][-1]["content"] in found["chat:sample-sft"]
    question = json.loads(Path("data/sample/mcq.jsonl").read_text().splitlines()[0])
    assert f"{question['question']} {question['choices'][question['answer']]}" in found["sample_mcq"]
