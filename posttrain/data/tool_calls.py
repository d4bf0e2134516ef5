"""Whether tools are well described, and whether calls and results fit them."""

import json
import re
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match

_NAME = re.compile(r"[A-Za-z_][\w.-]{0,127}")
# what the name of a row's kind says about its last calls
_NO_CALL, _ONE, _SEVERAL = ("no_call", "missing_argument"), ("simple", "multiple"), ("parallel",)


def tools_fault(tools: Any) -> str | None:
    """The list of tools: functions with different names and parameters by a JSON schema."""
    if not isinstance(tools, list) or not tools:
        return "no tools"
    names: set[str] = set()
    for number, tool in enumerate(tools, 1):
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or tool.get("type", "function") != "function":
            return f"a tool is not a function: tool {number}"
        name = function.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            return f"a tool has no proper name: tool {number}, {name!r}"
        if name in names:
            return f"two tools of one name: {name}"
        names.add(name)
        if fault := _schema_fault(json.dumps(function.get("parameters", {"type": "object"}), sort_keys=True)):
            reason, colon, detail = fault.partition(": ")
            return f"{reason}: {name}{', ' if colon else ''}{detail}"
    return None


@lru_cache(4096)
def _schema_fault(text: str) -> str | None:
    schema = json.loads(text)
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return "parameters are not an object"
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return f"parameters are not a JSON schema: {error.message[:80]}"
    properties = schema.get("properties", {})
    if unknown := [name for name in schema.get("required", ()) if name not in properties]:
        return f"a required parameter is not described: {unknown[0]}"
    return None


@lru_cache(4096)
def _validator(text: str) -> Draft202012Validator:
    """Of a tool's parameters; arguments that are not described are faults unless the schema itself speaks of them."""
    schema = json.loads(text)
    return Draft202012Validator({"additionalProperties": False, **schema})


def calls_fault(messages: list[dict[str, Any]], tools: list[dict[str, Any]], kind: str | None = None) -> str | None:
    """Every call names a tool and keeps its schema; results follow calls, one each; `kind` (simple, parallel, no_call ...) is true."""
    described = {tool["function"]["name"]: tool["function"].get("parameters", {"type": "object"}) for tool in tools}
    waiting: list[dict[str, Any]] = []  # calls of the turn before, whose results must follow
    for number, message in enumerate(messages, 1):
        if message["role"] == "tool":
            if fault := _result_fault(message, waiting):
                return f"{fault}, turn {number}"
            continue
        if waiting:
            return f"a call has no result: {waiting[0]['function']['name']}, before turn {number}"
        calls = message.get("tool_calls")
        if calls is not None and (not isinstance(calls, list) or not calls):
            return f"an empty list of calls: turn {number}"
        for call in calls or ():
            if fault := _call_fault(call, described):
                return f"{fault}, turn {number}"
        waiting = list(calls or ())
    return _kind_fault(messages, kind)


def _result_fault(message: dict[str, Any], waiting: list[dict[str, Any]]) -> str | None:
    if not waiting:
        return "a result without a call: tool"
    name, identity = message.get("name"), message.get("tool_call_id")
    for place, call in enumerate(waiting):
        if (not name or name == call["function"]["name"]) and (not identity or identity == call.get("id", identity)):
            del waiting[place]
            return None
    return f"a result of another call: {name or identity}"


def _call_fault(call: Any, described: dict[str, Any]) -> str | None:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not function.get("name"):
        return "a call names no function: call"
    name, arguments = function["name"], function.get("arguments")
    if name not in described:
        return f"a call of an unknown tool: {name}"
    if not isinstance(arguments, dict):
        return f"arguments are not an object: {name}"
    error = best_match(_validator(json.dumps(described[name], sort_keys=True)).iter_errors(arguments))
    if error is None:
        return None
    place = "/".join(map(str, error.absolute_path))
    reasons = {"required": "an argument is missing", "additionalProperties": "an unknown argument", "type": "an argument of the wrong type"}
    return (
        f"{reasons.get(str(error.validator), 'an argument breaks its schema')}: {name}{'.' if place else ''}{place}, {error.message[:80]}"
    )


def _kind_fault(messages: list[dict[str, Any]], kind: str | None) -> str | None:
    calls = [len(message.get("tool_calls") or ()) for message in messages if message["role"] == "assistant"]
    wrong = (
        (kind in _NO_CALL and any(calls))
        or (kind in _ONE and max(calls, default=0) != 1)
        or (kind in _SEVERAL and max(calls, default=0) < 2)
        or (kind == "result" and not any(message["role"] == "tool" for message in messages))
    )
    return f"its kind says otherwise: {kind}, with {max(calls, default=0)} calls" if wrong else None
