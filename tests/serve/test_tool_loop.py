"""The loop around a model that calls tools, with a stand-in that says what a test needs; the tools run for real."""

import json
from typing import Any

import pytest

from kishi import gguf_chat, tool_calls
from posttrain.tool_data.catalogue import catalogue
from serve import tool_loop, tools

CALL = '<tool_call>{"name": "calculate", "arguments": {"expression": "6*7"}}</tool_call>'
USER = {"role": "user", "content": "6*7?"}


class Script:
    """Says its lines one after the other, whatever it is asked; one letter is one token."""

    def __init__(self, *lines: str) -> None:
        self.lines, self.prompts = list(lines), [""]
        self.metadata = {gguf_chat.TEMPLATE_KEY: "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"}

    def n_ctx(self) -> int:
        return 2000

    def tokenize(self, text: bytes, **_: Any) -> list[int]:
        return list(text)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> tool_loop.Settings:
    def write(model: Script, text: str, *_: Any) -> tuple[str, bool]:
        model.prompts.append(text)
        return model.lines.pop(0), True

    monkeypatch.setattr(gguf_chat, "write", write)
    return tool_loop.Settings(grammar=False)


def test_the_tool_runs_and_its_result_goes_back(settings: tool_loop.Settings) -> None:
    shown: list[str] = []
    model = Script(CALL, "It is 42.")
    turns = tool_loop.answer(model, [USER], settings, shown.append)
    assert [turn["role"] for turn in turns] == ["assistant", "tool", "assistant"]
    assert json.loads(turns[1]["content"]) == {"result": 42} and turns[2]["content"] == "It is 42."
    assert '{"result": 42}' in model.prompts[-1] and shown == ["calculate(expression='6*7') -> {\"result\": 42}"]


def test_an_error_of_a_tool_goes_back_as_text(settings: tool_loop.Settings) -> None:
    wrong = ['{"name": "calculate", "arguments": {"expression": "1/0"}}', '{"name": "rm", "arguments": {}}', "{<|im_end|>"]
    model = Script("".join(f"<tool_call>{call}</tool_call>" for call in wrong), "Sorry.")
    turns = tool_loop.answer(model, [USER], settings, lambda _: None)
    told = [json.loads(turn["content"])["error"] for turn in turns if turn["role"] == "tool"]
    assert told[:2] == ["division by zero", "unknown function rm"] and told[2].startswith("not valid JSON")
    assert turns[-1]["content"] == "Sorry."


def test_limits_end_the_loop(settings: tool_loop.Settings) -> None:
    turns = tool_loop.answer(Script(*[CALL] * 9), [USER], settings, lambda _: None)
    assert len(turns) == 2 * tool_loop.MOST_ROUNDS + 1 and "stopped" in turns[-1]["content"]
    turns = tool_loop.answer(Script(CALL * 20, "Done."), [USER], settings, lambda _: None)
    assert len(turns[0]["tool_calls"]) == tool_loop.MOST_CALLS and "too many calls" in turns[-2]["content"]
    assert "stopped" in tool_loop.answer(Script(), [{"role": "user", "content": "x" * 3000}], settings, lambda _: None)[-1]["content"]


def test_old_exchanges_make_room(settings: tool_loop.Settings) -> None:
    history = [USER, {"role": "assistant", "content": "y" * 1950}, {"role": "user", "content": "new"}]
    assert tool_loop.fit(Script(), history, 64) == history[2:]
    assert tool_loop.fit(Script(), history[:1], 64) == history[:1]


def test_marks_in_an_answer_are_taken_out(settings: tool_loop.Settings) -> None:
    assert tool_loop.answer(Script("a<|im_start|>b"), [USER], settings, lambda _: None)[-1]["content"] == "ab"


def test_the_tools_are_those_that_are_trained() -> None:
    seen = catalogue()[0]
    assert [seen[schema["function"]["name"]].described("en") for schema in tools.SCHEMAS] == list(tools.SCHEMAS)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (tool_calls.Call("convert_length", {"value": 1, "from_unit": "mile", "to_unit": "km"}), {"result": 1.6093}),
        (tool_calls.Call("convert_mass", {"value": 2, "from_unit": "kg", "to_unit": "g"}), {"result": 2000}),
        (tool_calls.Call("convert_mass", {"value": 2, "from_unit": "kg", "to_unit": "km"}), None),
    ],
)
def test_conversions(call: tool_calls.Call, told: dict[str, Any] | None) -> None:
    found = json.loads(tools.run(call))
    assert found == told if told else "is not one of" in found["error"]
