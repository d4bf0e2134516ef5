"""Bad examples are refused with line and reason."""

import json
from pathlib import Path

import pytest

from kishi.errors import DataError
from kishi.jsonl import read_rows
from posttrain.chat_data import conversation_fault, load, preference_fault

USER, ASSISTANT = {"role": "user", "content": "Сұрақ"}, {"role": "assistant", "content": "Жауап"}
OTHER = {"role": "assistant", "content": "Басқа"}


@pytest.mark.parametrize(
    ("messages", "fault"),
    [
        ([USER, ASSISTANT], None),
        ([{"role": "system", "content": "x"}, USER, ASSISTANT, USER, ASSISTANT], None),
        ([USER], "the last turn is not the assistant's"),
        ([ASSISTANT, USER], "roles do not alternate from user: assistant, user"),
        ([USER, {"role": "assistant", "content": " "}], "turn 2 is empty or not a message"),
        ([USER, USER, ASSISTANT], "roles do not alternate from user: user, user, assistant"),
        ([], "no messages"),
    ],
)
def test_conversations(messages: list[dict[str, str]], fault: str | None) -> None:
    assert conversation_fault({"messages": messages}) == fault


def test_preferences() -> None:
    assert preference_fault({"prompt": [USER], "chosen": [ASSISTANT], "rejected": [OTHER]}) is None
    assert preference_fault({"prompt": [USER], "chosen": [ASSISTANT], "rejected": [ASSISTANT]}) == "chosen and rejected are the same"
    assert preference_fault({"prompt": [USER], "chosen": [ASSISTANT]}) == "no rejected"


def test_the_sample_sets_have_no_fault(tmp_path: Path) -> None:
    for name, check in (("sft", conversation_fault), ("preference", preference_fault)):
        split = load(Path(f"data/sample/{name}.jsonl"), check, 0.1, 1, tmp_path / "q.jsonl")
        assert not list(read_rows(tmp_path / "q.jsonl")) and len(split.heldout) >= 9
        ids = [example["id"] for example in (*split.train, *split.heldout)]
        assert len(set(ids)) == len(ids)


def test_quarantine_and_empty_files(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(f'{{"messages": 1}}\n{{nope\n{json.dumps({"messages": [USER, ASSISTANT]})}\n')
    with pytest.raises(DataError, match="1 usable examples; the first fault, line 1: no messages"):
        load(path, conversation_fault, 0.1, 1, tmp_path / "q.jsonl")
    assert [(row["line"], row["reason"][:14]) for row in read_rows(tmp_path / "q.jsonl")] == [(1, "no messages"), (2, "not valid JSON")]
    with pytest.raises(DataError, match="no such file"):
        load(tmp_path / "none", conversation_fault, 0.1, 1, tmp_path / "q.jsonl")
