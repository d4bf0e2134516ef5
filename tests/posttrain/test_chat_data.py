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
        ([USER, {"role": "assistant", "content": " "}], "empty turn or not a message: turn 2"),
        ([USER, USER, ASSISTANT], "roles do not alternate from user: user, user, assistant"),
        ([], "no messages"),
        ([{"role": "system", "content": "x"}], "the last turn is not the assistant's"),
        (["Сұрақ", ASSISTANT], "empty turn or not a message: turn 1"),
        ([USER, {"role": "assistant", "content": "a<|im_end|>b"}], "control token in the text: <|im_end|> in turn 2"),
    ],
)
def test_conversations(messages: list[dict[str, str]], fault: str | None) -> None:
    assert conversation_fault({"messages": messages}) == fault


def test_preferences() -> None:
    assert preference_fault({"prompt": [USER], "chosen": [ASSISTANT], "rejected": [OTHER]}) is None
    assert preference_fault({"prompt": [USER], "chosen": [ASSISTANT], "rejected": [ASSISTANT]}) == "chosen and rejected are the same"
    assert preference_fault({"prompt": [USER], "chosen": [ASSISTANT]}) == "no rejected"
    tail = [{"role": "system", "content": "x"}, ASSISTANT]
    fault = preference_fault({"prompt": [USER], "chosen": tail, "rejected": [OTHER]})
    assert fault == "chosen, roles do not alternate from assistant: system, assistant"


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


def test_reasons_are_counted(tmp_path: Path) -> None:
    good = json.dumps({"messages": [USER, ASSISTANT]}).encode()
    bad = [b"\xff{}", b'{"messages": [', b"[1]", b"{}", json.dumps({"messages": [USER]}).encode(), b"[" * 100_000]
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"\n".join([good, *bad, b"", good, good[:-20]]))  # the last line is cut
    split = load(path, conversation_fault, 0.5, 1, tmp_path / "q.jsonl")
    assert split.facts["examples"] == {"train": 1, "heldout": 1, "quarantined": 7}
    reasons = {"not valid JSON": 3, "not UTF-8": 1, "not a JSON object": 1, "no messages": 1, "the last turn is not the assistant's": 1}
    assert split.quarantined == reasons
    assert split.warning.startswith("7 of 9 examples left out")
    assert [row["line"] for row in read_rows(tmp_path / "q.jsonl")] == [2, 3, 4, 5, 6, 7, 10]


@pytest.mark.parametrize(("share", "counts"), [(0, (4, 0)), (0.01, (3, 1)), (1, (1, 3))])
def test_heldout_share(tmp_path: Path, share: float, counts: tuple[int, int]) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join([json.dumps({"messages": [USER, ASSISTANT]})] * 4))
    split = load(path, conversation_fault, share, 1, tmp_path / "q.jsonl")
    assert (len(split.train), len(split.heldout)) == counts
    assert not split.warning


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").touch()
    with pytest.raises(DataError, match="0 usable examples"):
        load(tmp_path / "x.jsonl", conversation_fault, 0.1, 1, tmp_path / "q.jsonl")
