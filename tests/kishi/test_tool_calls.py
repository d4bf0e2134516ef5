"""Calls in answers: read, checked against schemas, compared, counted."""

import json
from typing import Any

import pytest

from kishi import tool_scores
from kishi.tool_calls import Call, parse, same_calls, same_value, schema_fault

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "day": {"type": "string", "enum": ["today", "tomorrow"], "default": "today"},
                "hours": {"type": "integer"},
            },
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
ALMATY = Call("get_weather", {"city": "Алматы"})
SEMEY = Call("get_weather", {"city": "Семей", "hours": 3})


def block(call: Call) -> str:
    return f"<tool_call>{json.dumps({'name': call.name, 'arguments': call.arguments})}</tool_call>"


def test_calls_and_words_are_told_apart() -> None:
    found = parse(f"Қараймын. {block(ALMATY)}{block(SEMEY)}")
    assert found.calls == (ALMATY, SEMEY) and found.words == "Қараймын." and not found.malformed
    assert parse("Сәлем!").words == "Сәлем!" and not parse("Сәлем!").calls


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ('<tool_call>{"name": "f", "arguments": {}}', "no </tool_call>"),
        ('<tool_call>{"name": "f", "arguments": {</tool_call>', "not valid JSON"),
        ('<tool_call>{"name": "f"}</tool_call>', "not an object with a name and arguments"),
        ('<tool_call>["f"]</tool_call>', "not an object with a name and arguments"),
        ("<tool_call>" + "[" * 100_000 + "</tool_call>", "not valid JSON: nested too deep"),
        ('{"name": "f", "arguments": {}}</tool_call>', "</tool_call> without <tool_call>"),
    ],
)
def test_what_cannot_be_read_is_named(answer: str, fault: str) -> None:
    found = parse(answer)
    assert not found.calls and len(found.malformed) == 1 and found.malformed[0].startswith(fault)


def test_a_call_that_is_not_closed_does_not_hide_the_next() -> None:
    found = parse(f'<tool_call>{{"name": {block(ALMATY)}')
    assert found.calls == (ALMATY,) and found.malformed == ("no </tool_call>",)


@pytest.mark.parametrize(
    ("found", "expected", "same"),
    [
        (5, 5.0, True),
        ("5", 5, False),
        (True, 1, False),
        ("алматы ", "Алматы", True),
        ("the airport", "Airport", True),
        ("«Жиналыс»", "жиналыс", True),
        ("Алматыда", "Алматы", False),
        (["a", "b"], ["A", "B"], True),
        (["b", "a"], ["a", "b"], False),
        ({"x": 1}, {"x": 1.0}, True),
        ({"x": 1}, {"x": 1, "y": 2}, False),
        (None, None, True),
    ],
)
def test_values(found: Any, expected: Any, same: bool) -> None:
    assert same_value(found, expected) is same


def test_calls_of_one_turn_in_any_order_each_once() -> None:
    assert same_calls([SEMEY, ALMATY], [ALMATY, SEMEY], [WEATHER])
    assert not same_calls([ALMATY, ALMATY], [ALMATY, SEMEY], [WEATHER])
    assert not same_calls([ALMATY], [ALMATY, SEMEY], [WEATHER])
    assert not same_calls([Call("other", {"city": "Алматы"})], [ALMATY], [WEATHER])


def test_defaults_and_accepted_values() -> None:
    today = Call("get_weather", {"city": "Алматы", "day": "today"})
    assert same_calls([today], [ALMATY], [WEATHER]) and same_calls([ALMATY], [today], [WEATHER])
    tomorrow = Call("get_weather", {"city": "Алматы", "day": "tomorrow"})
    assert not same_calls([tomorrow], [ALMATY], [WEATHER])
    assert same_calls([tomorrow], [today], [WEATHER], [{"day": ["tomorrow"]}])
    assert same_calls([ALMATY], [SEMEY], [WEATHER], [{"city": ["Алматы"], "hours": [None]}])
    assert not same_calls([Call("get_weather", {"day": "today"})], [Call("get_weather", {"city": "", "day": "today"})], [WEATHER])


def test_schema_faults() -> None:
    assert schema_fault(SEMEY, [WEATHER]) is None
    assert schema_fault(Call("f", {}), [WEATHER]) == "unknown function f"
    faults = [
        schema_fault(Call("get_weather", given), [WEATHER]) for given in ({}, {"city": 1}, {"city": "x", "day": "x"}, {"city": "x", "y": 1})
    ]
    assert all(faults) and "required" in str(faults[0]) and ".city" in str(faults[1])


def row(task: str, last: dict[str, Any], **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": "?"}, {"role": "assistant", **last}]
    return {"id": task, "lang": "kk", "task": task, "split": "seen", "tools": [WEATHER], "messages": messages, **more}


CALL_ROW = row("simple", {"tool_calls": [{"function": {"name": "get_weather", "arguments": {"city": "Алматы"}}}]})


@pytest.mark.parametrize(
    ("asked", "answer", "right"),
    [
        (CALL_ROW, block(ALMATY), True),
        (CALL_ROW, block(ALMATY) + "<tool_call>{", False),
        (CALL_ROW, "Алматы", False),
        (row("no_call", {"content": "Жоқ."}), "Білмеймін.", True),
        (row("no_call", {"content": "Жоқ."}), block(ALMATY), False),
        (row("no_call", {"content": "Жоқ."}), "", False),
        (row("missing_argument", {"content": "Қай қала?"}), "Қай қала керек?", True),
        (row("missing_argument", {"content": "Қай қала?"}), "Білмеймін.", False),
        (row("result", {"content": "12 градус"}, mentions=["12"]), "Алматыда 12 градус.", True),
        (row("result", {"content": "12 градус"}, mentions=["12"]), "Алматыда суық.", False),
    ],
)
def test_verdicts(asked: dict[str, Any], answer: str, right: bool) -> None:
    assert tool_scores.judge(tool_scores.question(asked), answer)["right"] is right


def test_rows_of_the_leaderboards_shape_need_no_kind() -> None:
    only_user = {"id": "live_irrelevance_7-1", "lang": "en", "messages": [{"role": "user", "content": "Hi"}], "tools": [WEATHER]}
    asked = tool_scores.question(only_user)
    assert (asked.kind, asked.calls, asked.messages) == ("live_irrelevance", None, only_user["messages"])


def test_shares() -> None:
    verdicts = [
        (CALL_ROW, block(ALMATY)),
        (CALL_ROW, "<tool_call>x"),
        (CALL_ROW, block(Call("f", {}))),
        (row("no_call", {"content": "x"}), "y"),
    ]
    table = tool_scores.table([tool_scores.judge(tool_scores.question(asked), answer) for asked, answer in verdicts])
    assert (table["n"], table["malformed"], table["invalid"]) == (4, 0.25, 0.25)
    seen = table["splits"]["seen"]
    assert (seen["ast"], seen["irrelevance"], seen["missing_argument"], seen["right"]) == (0.3333, 1.0, None, 0.5)
    assert seen["kinds"]["simple"] == {"n": 3, "right": 0.3333} and seen["languages"]["kk"]["n"] == 4
