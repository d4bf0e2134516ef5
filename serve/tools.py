"""Two kinds of safe tools that really run: arithmetic and units of measurement. They read their arguments and nothing else.

Descriptions and parameters are those of posttrain/tool_data, which the model is trained on (tests/serve/test_tool_loop.py compares them).
"""

import json
from collections.abc import Callable
from typing import Any

from kishi import tool_calls
from kishi.calculator import calculate
from kishi.jsonl import Row
from kishi.units import convert

LENGTHS, MASSES = ("km", "m", "mile", "ft", "inch", "cm"), ("kg", "g", "lb", "oz")
MOST_CHARACTERS = 2000  # of a result


def _function(name: str, about: str, properties: dict[str, Any]) -> Row:
    parameters = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {"type": "function", "function": {"name": name, "description": about, "parameters": parameters}}


def _conversion(name: str, about: str, units: tuple[str, ...]) -> Row:
    unit = {"type": "string", "enum": list(units), "description": "Unit"}
    return _function(name, about, {"value": {"type": "number", "description": "Value to convert"}, "from_unit": unit, "to_unit": unit})


EXPRESSION = {"type": "string", "description": "Expression such as 2*(3+4)"}
SCHEMAS: tuple[Row, ...] = (
    _function("calculate", "Calculate an arithmetic expression.", {"expression": EXPRESSION}),
    _conversion("convert_length", "Convert a length between units.", LENGTHS),
    _conversion("convert_mass", "Convert a weight between units.", MASSES),
)
FUNCTIONS: dict[str, Callable[..., float | int]] = {"calculate": calculate, "convert_length": convert, "convert_mass": convert}


def run(call: tool_calls.Call) -> str:
    """The result as JSON text. A wrong call is no error here: the model is told what was wrong, as text."""
    if fault := tool_calls.schema_fault(call, SCHEMAS):
        return _told({"error": fault})
    try:
        return _told({"result": FUNCTIONS[call.name](**call.arguments)})
    except ValueError as error:
        return _told({"error": str(error)})


def _told(value: Row) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MOST_CHARACTERS else json.dumps({"error": "the result is too long"})
