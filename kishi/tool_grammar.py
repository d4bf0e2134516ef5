"""A llama.cpp grammar (GBNF) from tools: an answer is either words, or calls that satisfy their tools' JSON schemas."""

import json
from collections.abc import Sequence
from typing import Any

from kishi import tool_calls
from kishi.jsonl import Row

# what the schema leaves open is bounded, so that a weak model cannot fill its whole answer with one text or list
MOST_CHARACTERS, MOST_ITEMS, MOST_CALLS = 160, 16, 8

# in the place of the converter's own: it lets control characters into texts, which no JSON reader takes, and exponents into numbers.
# "<" is left out of texts, so that none can close the call
OWN = {
    "char": r'[^"\\\x00-\x1F\x7F<] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F])',
    "number": '"-"? integral-part ("." decimal-part)? space',
}


def text(tools: Sequence[Row], words: bool = True) -> str:
    """The grammar; without `words` a call must be made.

    llama-cpp-python makes rules of the JSON schemas; added here are the choice between words and calls, and limits.
    Not kept: minimum and maximum of numbers, and patterns other than with classes and \\d. Raises ValueError without tools.
    """
    from llama_cpp.llama_grammar import json_schema_to_gbnf

    if not tools:
        raise ValueError("a grammar needs at least one tool")
    call = {"anyOf": [_call(name, schema) for name, schema in tool_calls.functions(tools).items()]}
    rules = [_renamed(rule) for rule in json_schema_to_gbnf(json.dumps(call)).splitlines() if rule.strip()]
    start, end = (json.dumps(mark) for mark in (tool_calls.CALL_START, tool_calls.CALL_END))
    # "<" may stand in words, but not before what would make it a tag
    own = [
        "root ::= calls | words" if words else "root ::= calls",
        f"calls ::= ({start} one-call {end}){{1,{MOST_CALLS}}}",
        'words ::= ([^<] | "<" [ =0-9])+',
    ]
    return "\n".join([*own, *rules]) + "\n"


def _renamed(rule: str) -> str:
    name, _, body = rule.partition(" ::= ")
    return f"{'one-call' if name == 'root' else name} ::= {OWN.get(name, body)}"


def _call(name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    properties = {"name": {"const": name}, "arguments": _bounded(parameters)}
    return {"type": "object", "properties": properties, "required": ["name", "arguments"], "additionalProperties": False}


def _bounded(schema: Any) -> Any:
    """The schema with limits on texts and lists, and without what the grammar cannot say."""
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if key not in ("description", "default", "pattern")}
    if isinstance(pattern := schema.get("pattern"), str) and "\\" not in (plain := pattern.replace("\\d", "[0-9]")):
        kept["pattern"] = plain
    if schema.get("type") == "string" and not {"enum", "const", "pattern", "maxLength"} & kept.keys():
        kept["maxLength"] = MOST_CHARACTERS
    if schema.get("type") == "array":
        kept = {"maxItems": MOST_ITEMS} | kept
    if isinstance(properties := kept.get("properties"), dict):
        kept["properties"] = {key: _bounded(value) for key, value in properties.items()}
    if isinstance(items := kept.get("items"), dict):
        kept["items"] = _bounded(items)
    return kept
