"""Text that arrives in pieces comes out the same however it is cut."""

import json

from hypothesis import given
from hypothesis import strategies as st

from serve.call_reader import ToolCall, ToolCallReader
from serve.text_stream import StoppedText

ANSWER = 'Қосамын. <tool_call>{"name": "add", "arguments": {"a": 2}}</tool_call> <tool_<tool_call>{no}</tool_call>соңы <tool'
cuts = st.lists(st.integers(1, 5), min_size=1)


def pieces[T: (str, bytes)](whole: T, sizes: list[int]) -> list[T]:
    found, at, turn = [], 0, 0
    while at < len(whole):
        found.append(whole[at : at + sizes[turn % len(sizes)]])
        at, turn = at + sizes[turn % len(sizes)], turn + 1
    return found


def read(parts: list[str]) -> list[str | ToolCall]:
    reader = ToolCallReader()
    return [*(found for part in parts for found in reader.feed(part)), *reader.rest()]


@given(cuts)
def test_calls_are_found_and_nothing_else_is_lost(sizes: list[int]) -> None:
    found = read(pieces(ANSWER, sizes))
    calls = [part for part in found if isinstance(part, ToolCall)]
    assert [(call.name, json.loads(call.arguments)) for call in calls] == [("add", {"a": 2})]
    assert "".join(part for part in found if isinstance(part, str)) == "Қосамын.  <tool_<tool_call>{no}</tool_call>соңы <tool"


def test_a_call_without_its_end_mark_counts_and_half_a_call_is_text() -> None:
    [call] = read(['<tool_call>{"name": "add", "arguments": {}}'])
    assert isinstance(call, ToolCall) and call.name == "add"
    for text in ('<tool_call>{"name": "add"', '<tool_call>{"name": "add", "arguments": {"a": NaN}}</tool_call>'):
        assert read([text]) == [text]


@given(cuts)
def test_stop_strings_and_letters_in_several_bytes(sizes: list[int]) -> None:
    text = StoppedText(["ҢҢ", "соңы!"])
    found = [text.feed(part) for part in pieces("Әлем ҢА со соңы! артық".encode(), sizes) if not text.stopped]
    assert "".join(found) == "Әлем ҢА со " and text.stopped


def test_what_only_began_like_a_stop_string_is_given_out_at_the_end() -> None:
    text = StoppedText(["соңы"])
    assert text.feed("бұл со".encode()) + text.rest() == "бұл со" and not text.stopped
