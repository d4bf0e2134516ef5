"""Function calls in a model's answer: read, checked against the tools' JSON schemas, compared with what was expected.

The comparison follows the Berkeley Function-Calling Leaderboard's AST match: name, required arguments, types and values, the calls of
one turn in any order.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kishi.jsonl import Row

CALL_START, CALL_END = "<tool_call>", "</tool_call>"
_BLOCK = re.compile(re.escape(CALL_START) + r"(.*?)(" + re.escape(CALL_END) + r"|(?=" + re.escape(CALL_START) + r")|$)", re.DOTALL)


@dataclass(frozen=True)
class Call:
    """One call."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Parsed:
    """An answer: its words outside of calls, the calls that could be read, and what is wrong with the others."""

    words: str
    calls: tuple[Call, ...]
    malformed: tuple[str, ...]


def parse(answer: str) -> Parsed:
    """Reads `<tool_call>{"name": ..., "arguments": {...}}</tool_call>` blocks; a stray `</tool_call>` is malformed too."""
    calls, faults = [], []
    for block in _BLOCK.finditer(answer):
        found = _call(block[1], closed=bool(block[2]))
        if isinstance(found, Call):
            calls.append(found)
        else:
            faults.append(found)
    words = _BLOCK.sub("", answer)
    if CALL_END in words:
        faults.append(f"{CALL_END} without {CALL_START}")
    return Parsed(words.replace(CALL_END, "").strip(), tuple(calls), tuple(faults))


def _call(text: str, closed: bool) -> Call | str:
    if not closed:
        return f"no {CALL_END}"
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"not valid JSON: {getattr(error, 'msg', 'nested too deep')}"
    if not isinstance(value, dict) or not isinstance(value.get("name"), str) or not isinstance(value.get("arguments"), dict):
        return "not an object with a name and arguments"
    return Call(value["name"], value["arguments"])


def of_message(message: Mapping[str, Any]) -> tuple[Call, ...]:
    """The calls of an assistant's message in the conversational format; arguments may be JSON text."""
    found = []
    for entry in message.get("tool_calls") or []:
        function = entry.get("function") or entry
        arguments = function.get("arguments") or {}
        found.append(Call(function["name"], json.loads(arguments) if isinstance(arguments, str) else dict(arguments)))
    return tuple(found)


def functions(tools: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """Name -> JSON schema of the parameters."""
    bare = [tool.get("function") or tool for tool in tools]
    return {tool["name"]: tool.get("parameters") or {"type": "object", "properties": {}} for tool in bare}


def schema_fault(call: Call, tools: Sequence[Row]) -> str | None:
    """Why the call does not satisfy its tool's schema, or None."""
    import jsonschema

    known = functions(tools)
    if call.name not in known:
        return f"unknown function {call.name}"
    error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(known[call.name]).iter_errors(call.arguments))
    place = "".join(f".{part}" for part in error.absolute_path) if error else ""
    return f"{call.name}{place}: {error.message[:200]}" if error else None


def same_calls(found: Sequence[Call], expected: Sequence[Call], tools: Sequence[Row], accepted: Sequence[Row] = ()) -> bool:
    """Whether each expected call was made, once, and no other; `accepted`: for each expected call {argument: [other right values]}."""
    if len(found) != len(expected):
        return False
    left = list(found)
    for place, call in enumerate(expected):
        others = accepted[place] if place < len(accepted) else {}
        match = next((one for one in left if same_call(one, call, tools, others)), None)
        if match is None:
            return False
        left.remove(match)
    return True


def same_call(found: Call, expected: Call, tools: Sequence[Row], accepted: Mapping[str, Sequence[Any]] | None = None) -> bool:
    """Equal names; each argument equal to the expected, an accepted or, where one of them leaves it out, the schema's default value.

    None among the accepted values: the argument may be left out.
    """
    if found.name != expected.name or found.name not in functions(tools):
        return False
    schema = functions(tools)[found.name]
    properties = schema.get("properties") or {}
    for name in {*found.arguments, *expected.arguments}:
        default, others = (properties.get(name) or {}).get("default"), list((accepted or {}).get(name, ()))
        right = [expected.arguments.get(name, default), *others]
        if name not in found.arguments and None in others:
            continue
        value = found.arguments.get(name, default)
        if value is None or (name not in found.arguments and name in schema.get("required", [])):
            return False
        if not any(same_value(value, one) for one in right):
            return False
    return True


def same_value(found: Any, expected: Any) -> bool:
    """Numbers by value (5 is 5.0, but "5" is not), texts without regard to case and spaces, lists in order, objects by key."""
    if isinstance(found, bool) or isinstance(expected, bool):
        return found is expected
    if isinstance(found, int | float) and isinstance(expected, int | float):
        return abs(found - expected) <= 1e-9 * max(1.0, abs(expected))
    if isinstance(found, str) and isinstance(expected, str):
        return _plain(found) == _plain(expected)
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and all(same_value(one, other) for one, other in zip(found, expected, strict=True))
    if isinstance(found, dict) and isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same_value(found[key], expected[key]) for key in found)
    return type(found) is type(expected) and bool(found == expected)


def _plain(text: str) -> str:
    """Letters and digits decide: case, spaces, quotes, an English article before it and the mark at the end do not."""
    return re.sub(r"[\s\"'«»“”„]+", "", re.sub(r"^(the|an?)\s", "", text.casefold().strip())).rstrip(".!?")
