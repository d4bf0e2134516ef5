"""Puts values into the slots of a template: {city}, {city:loc}, {minutes:минуту/минуты/минут}, {unit:count=value}."""

import re
from collections.abc import Mapping
from random import Random
from typing import Any

from kishi.languages import Language
from posttrain.tool_data.catalogue import Tool
from posttrain.tool_data.values import Value, agreeing, coded, draw, pools

SLOT = re.compile(r"\{(\w+)(?::([^}]+))?\}")
_TRIES = 100


def slots(template: str) -> list[str]:
    """The names in a template, each once, in order."""
    return list(dict.fromkeys(match[1] for match in SLOT.finditer(template)))


def fill(tool: Tool, names: list[str], language: Language, rng: Random, values: dict[str, Value]) -> None:
    """Draw what `values` lacks of the named slots; two slots of one pool differ, dates come in their order.

    Raises ValueError for a slot that the tool does not know.
    """
    for name in names:
        if name in values:
            continue
        pool = tool.pool_of(name)
        if pool is None:
            raise ValueError(f"{tool.name}: no parameter or slot {{{name}}}")
        taken = [value.argument for other, value in values.items() if tool.pool_of(other) == pool]
        taken += [language] if pool == "language" else []  # nobody translates into the language that the text is in
        values[name] = next(value for value in (draw(pool, language, rng) for _ in range(_TRIES)) if value.argument not in taken)
    dates = [name for name in values if (pool := tool.pool_of(name)) and pools()[pool].date]
    values.update(zip(dates, sorted((values[name] for name in dates), key=lambda value: str(value.argument)), strict=True))


def render(template: str, values: Mapping[str, Value]) -> str:
    """The sentence, its first letter large. Raises ValueError for a missing slot or a form that a value does not have."""

    def put(match: re.Match[str]) -> str:
        name, form = match[1], match[2] or ""
        if name not in values:
            raise ValueError(f"no value for {{{name}}} in {template!r}")
        if form.startswith("count="):
            return counted(values[name], values[form.removeprefix("count=")].argument)
        return values[name].form(form)

    text = SLOT.sub(put, template)
    return text if "@" in text.split()[0] else text[0].upper() + text[1:]  # an address stays as it is


def counted(unit: Value, number: float) -> str:
    """The unit's word after a number: 1 миля, 2 мили, 5 миль; Kazakh has one form."""
    many = unit.forms.get("many", unit.text)
    return agreeing(number, [unit.text, unit.forms.get("few", many), many] if unit.language == "ru" else [unit.text, many])


def fix(tool: Tool, given: Mapping[str, Any], language: Language, values: dict[str, Value]) -> None:
    """Put the arguments that a request fixes among the values: codes of a pool, or text made of slots such as "{a}*{b}"."""
    for name, value in given.items():
        pool = tool.pool_of(name)
        if pool:
            values[name] = coded(pool, value, language)
        else:
            argument = SLOT.sub(lambda match: str(values[match[1]].argument), value)
            values[name] = Value(argument, argument, language)


def arguments(tool: Tool, values: Mapping[str, Value], which: str = "") -> dict[str, Any]:
    """The call's arguments in the order of the schema; `which` is "1" or "2" in a request for two calls."""
    names = {name: name + which if name + which in values else name for name in (*tool.needs, *tool.may)}
    return {name: values[slot].argument for name, slot in names.items() if slot in values}
