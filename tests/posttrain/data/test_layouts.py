"""Rows as data sets of the hub lay them out become TRL's formats."""

import json
from typing import Any

import pytest

from posttrain.data.check import shape_fault
from posttrain.data.layouts import LayoutError, payload_of

USER, ANSWER = {"role": "user", "content": "Сұрақ?"}, {"role": "assistant", "content": "Жауап."}
SYSTEM = {"role": "system", "content": "Қысқа жауап бер."}
WANTED = {"messages": [USER, ANSWER]}
GPT = [{"from": "human", "value": "Сұрақ?"}, {"from": "gpt", "value": "Жауап."}]


@pytest.mark.parametrize(
    ("row", "messages"),
    [
        ({"messages": [{**USER, "extra": 1}, ANSWER]}, [USER, ANSWER]),
        ({"messages": [USER, {**ANSWER, "tool_calls": None, "name": None}]}, [USER, ANSWER]),  # a parquet column of all rows' keys
        ({"conversations": GPT}, [USER, ANSWER]),
        ({"conversations": [{"from": "system", "value": SYSTEM["content"]}, *GPT]}, [SYSTEM, USER, ANSWER]),
        ({"instruction": "Сұрақ?", "input": "", "output": "Жауап."}, [USER, ANSWER]),
        (
            {"instruction": "Аудар:", "input": "Су", "output": "Вода"},
            [{"role": "user", "content": "Аудар:\n\nСу"}, {"role": "assistant", "content": "Вода"}],
        ),
        ({"prompt": "Сұрақ?", "completion": "Жауап."}, [USER, ANSWER]),
        ({"prompt": [SYSTEM, USER], "completion": [ANSWER]}, [SYSTEM, USER, ANSWER]),
        ({"system": SYSTEM["content"], "question": "Сұрақ?", "response": "Жауап."}, [SYSTEM, USER, ANSWER]),
        ({"inputs": "Сұрақ?", "targets": " Жауап.\r\n"}, [USER, ANSWER]),
    ],
)  # fmt: skip
def test_conversations(row: dict[str, Any], messages: list[Any]) -> None:
    assert payload_of(row, "sft") == {"messages": messages}


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Сұрақ?", "chosen": "Жауап.", "rejected": "Жоқ."},
        {"prompt": [USER], "chosen": [ANSWER], "rejected": [{"role": "assistant", "content": "Жоқ."}]},
        {"prompt": "Сұрақ?", "chosen": [USER, ANSWER], "rejected": [USER, {"role": "assistant", "content": "Жоқ."}]},  # UltraFeedback
        {"chosen": [USER, ANSWER], "rejected": [USER, {"role": "assistant", "content": "Жоқ."}]},
        {"chosen": "\n\nHuman: Сұрақ?\n\nAssistant: Жауап.", "rejected": "\n\nHuman: Сұрақ?\n\nAssistant: Жоқ."},
        {"conversations": [GPT[0]], "chosen": GPT[1], "rejected": {"from": "gpt", "value": "Жоқ."}},
    ],
)
def test_pairs(row: dict[str, Any]) -> None:
    found = payload_of(row, "preference")
    assert found == {"prompt": [USER], "chosen": [ANSWER], "rejected": [{"role": "assistant", "content": "Жоқ."}]}
    assert shape_fault({"kind": "preference", **found}) is None


PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]}
FUNCTION = {"name": "get_weather", "description": "Weather", "parameters": PARAMETERS}
TOOL = {"type": "function", "function": FUNCTION}
CALL = {"type": "function", "function": {"name": "get_weather", "arguments": {"city": "Oral", "days": 2}}}
CALLED = [USER, {"role": "assistant", "tool_calls": [CALL]}]
ROUND = [*CALLED, {"role": "tool", "content": '{"t": 5}'}, ANSWER]
ARGUMENTS = '{"name": "get_weather", "arguments": {"city": "Oral", "days": 2}}'
XLAM = {"city": {"type": "str", "description": "x"}, "days": {"type": "int, optional", "default": 1}}


def _hermes(*turns: tuple[str, str]) -> dict[str, Any]:
    system = f"You may call functions. <tools>\n{json.dumps([TOOL])}\n</tools> Answer with <tool_call>."
    return {"conversations": [{"from": "system", "value": system}, *({"from": role, "value": text} for role, text in turns)]}


@pytest.mark.parametrize(
    ("row", "messages"),
    [
        ({"messages": ROUND, "tools": [TOOL]}, ROUND),
        ({"messages": [USER, {"role": "assistant", "content": "", "tool_calls": [CALL]}], "tools": json.dumps([FUNCTION])}, CALLED),
        ({"query": "Сұрақ?", "answers": f"[{ARGUMENTS}]", "tools": json.dumps([{**FUNCTION, "parameters": XLAM}])}, CALLED),
        (_hermes(("human", "Сұрақ?"), ("gpt", f"<tool_call>\n{ARGUMENTS}\n</tool_call>")), CALLED),
        (
            _hermes(
                ("human", "Сұрақ?"), ("gpt", f"<tool_call>{ARGUMENTS}</tool_call>"),
                ("tool", '<tool_response>\n{"t": 5}\n</tool_response>'), ("gpt", "Жауап."),
            ),
            ROUND,
        ),
        (
            {
                "system": f"You can invoke these functions:\n{json.dumps([FUNCTION])}\nReturn [func(a=b)].",
                "conversations": [GPT[0], {"from": "assistant", "value": '[get_weather(city="Oral", days=2)]'}],
            },
            CALLED,
        ),
    ],
)  # fmt: skip
def test_tools(row: dict[str, Any], messages: list[Any]) -> None:
    found = payload_of(row, "tools")
    assert found["messages"] == messages
    assert shape_fault({"kind": "tools", "task": "tools", **found}) is None
    (tool,) = found["tools"]
    assert tool["function"]["name"] == "get_weather" and tool["function"]["parameters"]["required"] == ["city"]
    assert tool["function"]["parameters"]["properties"]["days"]["type"] == "integer"


def test_parallel_calls_and_names_with_spaces_of_toolace() -> None:
    functions = [{**FUNCTION, "name": "Get Weather"}, {**FUNCTION, "name": "news.list", "parameters": {"type": "dict", "properties": {}}}]
    text = '[Get Weather(city="A, B (c)", days=-1), news.list(), news.list(tags=["x", "y"], on=True)]'
    row = {"system": json.dumps(functions), "conversations": [{"from": "user", "value": "?"}, {"from": "assistant", "value": text}]}
    calls = [call["function"] for call in payload_of(row, "tools")["messages"][1]["tool_calls"]]
    assert calls[0] == {"name": "Get Weather", "arguments": {"city": "A, B (c)", "days": -1}}
    assert calls[1:] == [{"name": "news.list", "arguments": {}}, {"name": "news.list", "arguments": {"tags": ["x", "y"], "on": True}}]
    assert payload_of(row, "tools")["tools"][1]["function"]["parameters"]["type"] == "object"


def test_parallel_rows_and_titles() -> None:
    sides = {"kk": "Су", "ru": "Вода", "en": "Water"}
    for row in (sides, {"translation": sides}, {"kaz_Cyrl": "Су", "Russian": "Вода", "source_en": "Water", "de": "Wasser"}):
        assert payload_of(row, "parallel") == {"texts": sides}
    for row in ({"title": "Су", "text": "Су\nмәтін"}, {"text": "Су\n\nмәтін"}):
        assert payload_of(row, "titles") == {"title": "Су", "text": "мәтін"}


def test_unknown_layouts_name_their_keys() -> None:
    for kind in ("sft", "preference"):
        with pytest.raises(LayoutError, match="no known layout: keys a, b"):
            payload_of({"a": 1, "b": 2}, kind)
