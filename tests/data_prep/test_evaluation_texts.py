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


@pytest.mark.parametrize("path", ["not-there", "empty"])
def test_chat_examples_that_cannot_be_compared_stop_the_stage(tmp_path: Path, path: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="chat source sample-sft"):
        evaluation_texts(job(tmp_path / "run", f"chat.sources.0.path={tmp_path / path}").recipe)


def test_chat_examples_of_any_layout_and_of_all_files_are_compared(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"instruction": "Name a lake.", "output": "Balkhash.", "license": "MIT"}) + "\n{broken\n")
    turns = [{"from": "human", "value": "Hello?"}, {"from": "gpt", "value": "Yes."}]
    (tmp_path / "b.jsonl").write_text(json.dumps({"conversations": turns}))
    found = evaluation_texts(job(tmp_path / "run", f"chat.sources.0.path={tmp_path}").recipe)
    assert found["chat:sample-sft"] == ["Name a lake.", "Balkhash.", "Hello?", "Yes."]


def test_passages_and_sentences_of_other_kinds_of_task_are_compared_too(tmp_path: Path) -> None:
    path = tmp_path / "reading.jsonl"
    path.write_text(json.dumps({"lang": "en", "context": "The steppe is wide.", "question": "What is wide?", "answers": ["The steppe"]}))
    task = {"name": "reading", "kind": "reading", "path": str(path), "license": "-", "columns": {"passage": "context"}}
    found = evaluation_texts(job(tmp_path / "run", f"eval.tasks={json.dumps([task])}").recipe)
    assert found["reading"] == ["The steppe is wide.", "What is wide?", "What is wide?"]
    first = json.loads(Path("data/sample/translation.jsonl").read_text().splitlines()[0])
    assert {first["kk"], first["ru"], first["en"]} <= set(found["chat:translation.jsonl"])
