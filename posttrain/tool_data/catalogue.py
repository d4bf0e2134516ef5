"""The tools: what tools/*.yaml may say, read with every fault named, and the JSON schema that the model sees."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from kishi.errors import DataError
from kishi.languages import LANGUAGES, Language
from posttrain.tool_data.values import FOLDER, pools

HELD_ASIDE = "held_aside.yaml"
Texts = dict[Language, str]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Ask(_Part):
    """A request: `say` with {slots}, and arguments that it fixes; {slot} in those is the slot's own value."""

    say: str
    given: dict[str, Any] = Field({}, alias="with")


class Free(_Part):
    """A parameter without a pool: its values come from the requests (`with`)."""

    type: Literal["string", "number", "integer"]
    about: Texts


class Tool(_Part):
    """One function. `needs`, `may`: required and optional parameters by pool; `slots`: values that only the text has.

    `topic` completes "I cannot ..." (Kazakh: a participle before "функция"); `both`: requests that take two calls, with {x1} and {x2} for
    what differs; `lacks`: for a required parameter, requests without it and the question that asks for it; `result`: what the tool gives
    back, by pool or a fixed {value: ...}; `compute`: a result that is true (results.py); `answer`: the words after it.
    """

    name: str = ""
    about: Texts
    topic: Texts
    needs: dict[str, str | Free]
    may: dict[str, str] = {}
    slots: dict[str, str] = {}
    ask: dict[Language, list[Ask]]
    both: dict[Language, list[str]] = {}
    lacks: dict[str, dict[Language, list[tuple[str, str]]]] = {}
    compute: str | None = None
    result: dict[str, str | dict[str, str]] = {}
    answer: dict[Language, list[str]] = {}

    @field_validator("ask", mode="before")
    @classmethod
    def _plain_requests(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {language: [{"say": ask} if isinstance(ask, str) else ask for ask in asks] for language, asks in value.items()}

    @model_validator(mode="after")
    def _whole(self) -> Self:
        parts: list[Mapping[Any, Any]] = [self.about, self.topic, self.ask, *self.lacks.values()]
        for texts in (*parts, *filter(None, (self.both, self.answer))):
            if missing := [language for language in LANGUAGES if not texts.get(language)]:
                raise ValueError(f"nothing in {', '.join(missing)}")
        named = [pool for pool in (*self.needs.values(), *self.may.values(), *self.slots.values()) if isinstance(pool, str)]
        named += [pool for pool in self.result.values() if isinstance(pool, str)]
        if unknown := [pool for pool in named if pool not in pools()]:
            raise ValueError(f"no pool {', '.join(unknown)} in pools.yaml")
        if unknown := [parameter for parameter in self.lacks if parameter not in self.needs]:
            raise ValueError(f"lacks: {', '.join(unknown)} is not among needs")
        return self

    def pool_of(self, slot: str) -> str | None:
        """The pool of a parameter or slot; {city1} and {city2} are of city."""
        known = {name: pool for name, pool in (self.needs | self.may | self.slots).items() if isinstance(pool, str)}
        return known.get(slot) or known.get(slot.rstrip("12"))

    def described(self, language: Language) -> dict[str, Any]:
        """The function as the model sees it, described in a language; required parameters come first, as in the calls."""
        properties = {}
        for name, pool in (self.needs | self.may).items():
            kind = {"type": pool.type} if isinstance(pool, Free) else pools()[pool].json_type()
            about = pool.about if isinstance(pool, Free) else pools()[pools()[pool].list or pool].about
            properties[name] = {**kind, "description": about[language]} if about else kind
        parameters = {"type": "object", "properties": properties, "required": list(self.needs), "additionalProperties": False}
        function = {"name": self.name, "description": self.about[language], "parameters": parameters}
        return {"type": "function", "function": function}


@cache
def catalogue() -> tuple[dict[str, Tool], dict[str, Tool]]:
    """(tools to train on, tools held aside). Raises DataError naming file, tool and fault."""
    found: tuple[dict[str, Tool], dict[str, Tool]] = ({}, {})
    for path in sorted((FOLDER / "tools").glob("*.yaml")):
        for name, content in yaml.safe_load(path.read_text(encoding="utf-8")).items():
            try:
                tool = Tool.model_validate({"name": name, **content})
            except ValidationError as error:
                first = error.errors()[0]
                place = ".".join(map(str, (name, *first["loc"])))
                raise DataError(f"{place}: {first['msg']}", where=path, fix="mend the tool; see docs/tools.md") from error
            found[path.name == HELD_ASIDE][name] = tool
    return found
