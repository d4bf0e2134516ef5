"""What the tools stage trains on, token by token, with a tokenizer of bytes and the real chat template."""

from typing import Any

import pytest

from kishi.tool_calls import of_message, parse
from posttrain.likelihood import IGNORED
from posttrain.tool_data.make import make
from posttrain.tool_examples import render, replayed
from tests.posttrain.tiny_base import byte_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return byte_tokenizer()


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return make(40, 0, seed=3)[0]


def test_exactly_the_assistants_turns_are_learnt(tokenizer: Any, rows: list[dict[str, Any]]) -> None:
    examples, left_out = render(tokenizer, rows, 100_000)
    assert len(examples) == len(rows) and not left_out
    for row, (ids, labels) in zip(rows, examples, strict=True):
        learnt = [label for label in labels if label != IGNORED]
        assert all(label in (IGNORED, token) for token, label in zip(ids, labels, strict=True))
        turns = tokenizer.decode(learnt).split("<|im_end|>")
        said = [message for message in row["messages"] if message["role"] == "assistant"]
        assert turns.pop() == "" and len(turns) == len(said)
        for text, message in zip(turns, said, strict=True):
            found = parse(text)
            assert found.calls == of_message(message) and not found.malformed and found.words == message["content"]


def test_no_argument_that_was_not_given_is_learnt(tokenizer: Any, rows: list[dict[str, Any]]) -> None:
    """A data set of rows as they are would give every call the arguments of all others, as null."""
    for ids, _ in render(tokenizer, rows, 100_000)[0]:
        assert "null" not in tokenizer.decode(ids)


def test_long_ones_are_counted(tokenizer: Any, rows: list[dict[str, Any]]) -> None:
    lengths = sorted(len(ids) for ids, _ in render(tokenizer, rows, 100_000)[0])
    kept, left_out = render(tokenizer, rows, lengths[9])
    assert (len(kept), left_out) == (10, {"too long": len(rows) - 10})


def test_refused_by_the_template_is_counted(tokenizer: Any) -> None:
    bad = {"messages": [{"role": "user", "content": ["x"]}, {"role": "assistant", "content": "y"}], "tools": []}
    assert render(tokenizer, [bad], 100) == ([], {"the chat template refuses it": 1})


def test_replayed_chat_is_shown_tools_now_and_then() -> None:
    chat = [{"lang": language, "messages": [{"role": "user", "content": language}]} for language in ("kk", "ru", "de")]
    rows = replayed(chat, 200, 0.5, seed=1)
    assert [row["messages"] for row in rows[:4]] == [chat[place]["messages"] for place in (0, 1, 2, 0)]
    assert 70 < sum(bool(row["tools"]) for row in rows) < 130
    assert replayed([], 5, 0.5, seed=1) == replayed(chat, 0, 0.5, seed=1) == []
