"""What the chat-data stage made is read; what does not fit is left out with its line and reason."""

from pathlib import Path

import pytest

from kishi.errors import DataError
from kishi.jsonl import read_rows, write_rows
from posttrain.chat_data import Example, load


def _rows(count: int, first: int = 0) -> list[Example]:
    return [{"id": f"set/{n}", "license": "MIT" if n % 2 else "CC0-1.0", "messages": []} for n in range(first, first + count)]


def _odd(example: Example) -> str | None:
    return "too long: 9 tokens" if example["id"].endswith("3") else None


def test_faults_are_left_out_with_their_place_and_counted(tmp_path: Path) -> None:
    write_rows(tmp_path / "sft" / "train.jsonl", _rows(5))
    write_rows(tmp_path / "sft" / "heldout.jsonl", _rows(4, 10))
    split = load(tmp_path / "sft", _odd, tmp_path / "q.jsonl")
    assert [row["id"] for row in split.train] == ["set/0", "set/1", "set/2", "set/4"] and len(split.heldout) == 3
    assert split.facts["examples"] == {"train": 4, "heldout": 3, "quarantined": 2}
    assert split.quarantined == {"too long": 2} and split.warning.startswith("2 of 9 examples left out")
    assert split.facts["licenses"] == {"CC0-1.0": 5, "MIT": 2}
    left_out = [(row["file"], row["line"], row["id"]) for row in read_rows(tmp_path / "q.jsonl")]
    assert left_out == [("train.jsonl", 4, "set/3"), ("heldout.jsonl", 4, "set/13")]


def test_nothing_to_train_on_is_an_error_and_nothing_held_out_is_none(tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", _rows(1, 3))
    write_rows(tmp_path / "heldout.jsonl", [])
    with pytest.raises(DataError, match="no example that can be trained on; the first fault, set/3: too long"):
        load(tmp_path, _odd, tmp_path / "q.jsonl")
    assert not load(tmp_path, lambda _: None, tmp_path / "q.jsonl").heldout
