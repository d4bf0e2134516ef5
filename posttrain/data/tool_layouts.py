"""Rows about tools as data sets lay them out, to TRL's tool format: `messages` with `tool_calls`, and `tools`."""

import ast
import json
import re
from collections.abc import Callable
from typing import Any

Row = dict[str, Any]
_TOOLS = re.compile(r"<tools>(.*?)</tools>", re.DOTALL)
_CALL = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)
_RESULT = re.compile(r"<tool_response>(.*?)</tool_response>", re.DOTALL)
_LISTED = re.compile(r"\[\s*\{.*\}\s*\]", re.DOTALL)  # functions in a system turn
# xlam's types are Python's
_TYPES = {
    "str": "string", "int": "integer", "float": "number", "bool": "boolean", "dict": "object",
    "list": "array", "tuple": "array", "set": "array",
}  # fmt: skip
_SCHEMA_TYPES = {"string", "integer", "number", "boolean", "object", "array", "null"}


def tool_row(row: Row, conversation: Callable[[Row], list[Row]]) -> Row:
    """`messages` and `tools` of a row: TRL's own layout, xlam's (query, tools, answers), Hermes's and ToolACE's conversations."""
    tools = parsed(row.get("tools"))
    if "query" in row and "answers" in row:
        calls = [as_call(call) for call in parsed(row["answers"]) or ()]
        answer = {"role": "assistant", "tool_calls": calls}
        return {"messages": [{"role": "user", "content": row["query"]}, answer], "tools": as_tools(tools)}
    messages = conversation(row)
    if isinstance(row.get("system"), str) and messages and messages[0]["role"] != "system":
        messages = [{"role": "system", "content": row["system"]}, *messages]
    messages, inside = _from_system(messages)
    return {"messages": [made for turn in messages for made in _turn(turn)], "tools": as_tools(tools if tools is not None else inside)}


def parsed(value: Any) -> Any:
    """What a JSON text says; other values, and texts that are none, as they are."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _from_system(messages: list[Row]) -> tuple[list[Row], Any]:
    """(messages, functions that the system turn lists). Such a turn is left out: the chat template writes one of its own."""
    if not messages or messages[0]["role"] != "system" or not isinstance(messages[0].get("content"), str):
        return messages, None
    text = messages[0]["content"]
    if found := _TOOLS.search(text):
        listed = parsed(found[1].strip())
        lines = [parsed(line) for line in found[1].strip().splitlines()] if isinstance(listed, str) else listed
        return messages[1:], lines
    found = _LISTED.search(text)
    listed = parsed(found[0]) if found else None
    return (messages[1:], listed) if isinstance(listed, list) else (messages, None)


def as_tools(tools: Any) -> Any:
    """Functions wrapped as TRL has them, parameters as a JSON schema."""
    if not isinstance(tools, list):
        return tools
    functions = [parsed(tool) for tool in tools]
    return [
        {"type": "function", "function": _function(tool.get("function", tool))} if isinstance(tool, dict) else tool for tool in functions
    ]


def _function(function: Any) -> Any:
    if not isinstance(function, dict):
        return function
    made = {key: function[key] for key in ("name", "description") if function.get(key) is not None}
    parameters = function.get("parameters")
    if isinstance(parameters, dict) and "properties" not in parameters and parameters.get("type") not in _SCHEMA_TYPES | {"dict"}:
        parameters = _from_python(parameters)  # xlam: a flat object of parameters
    return {**made, "parameters": _typed(parameters if parameters is not None else {"type": "object", "properties": {}})}


def _from_python(parameters: Row) -> Row:
    """xlam: `{name: {type: "int, optional", description, default}}`. What has a default or says optional is not required."""
    found = {name: value if isinstance(value, dict) else {} for name, value in parameters.items()}
    required = [name for name, value in found.items() if "optional" not in str(value.get("type")) and "default" not in value]
    return {"type": "object", "properties": found, **({"required": required} if required else {})}


def _typed(schema: Any) -> Any:
    """Python's names of types, at any depth, to JSON schema's; List[int] to an array of integers."""
    if isinstance(schema, list):
        return [_typed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _typed(value) if key != "default" else value for key, value in schema.items() if value is not None}
    if isinstance(schema.get("type"), str):
        made |= _type_of(schema["type"])
    return made


def _type_of(name: str) -> Row:
    plain = re.sub(r",?\s*optional$", "", name.strip(), flags=re.IGNORECASE)
    outer, _, inner = plain.partition("[")
    known = _TYPES.get(outer.lower(), outer.lower())
    if known == "optional":
        return _type_of(inner.removesuffix("]"))
    if known not in _SCHEMA_TYPES:
        return {"type": "string"} if known in ("any", "union", "callable") else {"type": name}
    item = _TYPES.get(inner.removesuffix("]").lower()) if known == "array" else None
    return {"type": known, **({"items": {"type": item}} if item else {})}


def as_call(call: Any) -> Any:
    """{name, arguments}, wrapped or not, arguments as an object or as a JSON text, to TRL's call."""
    call = parsed(call)
    function = call.get("function", call) if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return call
    made = {"name": function.get("name"), "arguments": parsed(function.get("arguments", function.get("parameters", {})))}
    if isinstance(made["arguments"], dict):  # a parquet column holds the keys of all rows
        made["arguments"] = {key: value for key, value in made["arguments"].items() if value is not None}
    return {"type": "function", **({"id": call["id"]} if call.get("id") else {}), "function": made}


def _turn(turn: Row) -> list[Row]:
    """A turn with its calls and results out of the text."""
    content = turn.get("content")
    if turn.get("tool_calls"):
        calls = parsed(turn["tool_calls"])
        kept = {"content": content} if content else {}
        return [{"role": turn["role"], **kept, "tool_calls": [as_call(call) for call in calls] if isinstance(calls, list) else calls}]
    if not isinstance(content, str):
        return [turn]
    if turn["role"] == "tool":
        return [{**turn, "content": part.strip()} for part in _RESULT.findall(content)] or [turn]
    calls = [as_call(part.strip()) for part in _CALL.findall(content)] or called(content)
    if turn["role"] != "assistant" or not calls:
        return [turn]
    words = _CALL.sub("", content).strip() if "<tool_call>" in content else ""
    return [{"role": "assistant", **({"content": words} if words else {}), "tool_calls": calls}]


def called(text: str) -> list[Row]:
    """ToolACE's calls, `[name(key="value", ...), ...]`; empty when the text is none. Names may hold spaces and points."""
    if not (text.startswith("[") and text.endswith(")]")):
        return []
    names: dict[str, str] = {}

    def stand_in(match: re.Match[str]) -> str:
        names[f"f{len(names)}"] = match[2].strip()
        return f"{match[1]}f{len(names) - 1}("

    source = re.sub(r"(\[|\),\s*)([A-Za-z_][^(\[\]=]*?)\(", stand_in, text)
    try:
        found = ast.parse(source, mode="eval").body
        calls = found.elts if isinstance(found, ast.List) else []
        return [
            as_call({"name": names[call.func.id], "arguments": {word.arg: ast.literal_eval(word.value) for word in call.keywords}})
            for call in calls
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
        ]
    except (SyntaxError, ValueError, KeyError, RecursionError):
        return []
