"""Values of arguments and results, drawn from pools: what the call gets, and how a text says it in each language and form."""

import re
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from kishi.errors import DataError
from kishi.languages import LANGUAGES, Language
from posttrain.tool_data import kazakh

FOLDER = Path(__file__).parent
RUSSIAN_CASES = ("nom", "gen", "dat", "acc", "ins", "prep")
AND = {"kk": " және ", "ru": " и ", "en": " and "}
MONTHS = {
    "kk": ["қаңтар", "ақпан", "наурыз", "сәуір", "мамыр", "маусым", "шілде", "тамыз", "қыркүйек", "қазан", "қараша", "желтоқсан"],
    "ru": ["января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября", "ноября", "декабря"],
    "en": ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"],
}


class Pool(BaseModel):
    """One pool of pools.yaml: exactly one of its kinds of values, and what a parameter of this pool is described as."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    about: dict[Language, str] = {}
    words: dict[Language, list[str]] | None = None
    codes: dict[str, dict[Language, str]] | None = None
    integer: tuple[int, int, int] | None = None
    number: tuple[int, int] | None = None
    date: tuple[int, int] | None = None
    time: tuple[int, int] | None = None
    code: str | None = None
    list: str | None = None
    of: tuple[int, int] = (2, 3)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = ("words", "codes", "integer", "number", "date", "time", "code", "list")
        given = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"exactly one of {', '.join(kinds)}, got {', '.join(given) or 'none'}")
        for texts in (self.codes or {}).values():
            if missing := [language for language in LANGUAGES if language not in texts]:
                raise ValueError(f"no text in {', '.join(missing)}")
        return self

    def json_type(self) -> dict[str, Any]:
        """JSON schema of a parameter with these values, without its description."""
        if self.codes:
            return {"type": "string", "enum": list(self.codes)}
        if self.list:
            return {"type": "array", "items": {"type": "string"}, "minItems": 1}
        if self.integer:
            return {"type": "integer"}
        if self.number:
            return {"type": "number"}
        if self.date:
            return {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}
        return {"type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d$"} if self.time else {"type": "string"}


@dataclass(frozen=True)
class Value:
    """`argument` goes into the call; `text` and its `forms` into sentences."""

    argument: Any
    text: str
    language: Language
    forms: dict[str, str] = field(default_factory=dict)
    possessed: bool = False

    def form(self, name: str) -> str:
        """The text in a form: a listed one, a Kazakh case by rule, or a number with the word that agrees with it (минуту/минуты/минут).

        Raises ValueError for a form that is not known: a wrong ending is worse than none.
        """
        if not name:
            return self.text
        if "/" in name:
            return f"{self.text} {agreeing(self.argument, name.split('/'))}"
        if name in self.forms:
            return self.forms[name]
        if self.language == "kk" and name == "and":
            spoken = kazakh.last_numeral(self.text) if self.text[-1].isdigit() else self.text
            return f"{self.text} {kazakh.ending(spoken, 'ins', self.possessed)}"
        if self.language == "kk" and name in kazakh.CASES:
            if self.text[-1].isdigit():
                return self.text + kazakh.number_ending(self.text, name)
            if self.text.endswith("»"):  # an ending comes after the quotation mark, with a hyphen
                return f"{self.text}-{kazakh.ending(self.text, name, self.possessed)}"
            return kazakh.inflect(self.text, name, self.possessed)
        if name in ("many", "few", "one") and self.language != "ru":
            return self.forms.get("many", self.text) if name != "one" else self.text
        raise ValueError(f"{self.text!r} ({self.language}) has no form {name!r}")


def agreeing(number: float, words: list[str]) -> str:
    """The one of [one, many] or [one, few, many] words that agrees with the number: 1 минуту, 2,5 минуты, 5 минут."""
    if len(words) == 2:
        return words[0] if number == 1 else words[1]
    one, few, many = words
    if number != int(number):
        return few
    tens, last = int(number) % 100, int(number) % 10
    if 11 <= tens <= 14:
        return many
    return one if last == 1 else few if 2 <= last <= 4 else many


@cache
def pools() -> dict[str, Pool]:
    """The pools by name. Raises DataError naming the faulty one."""
    path = FOLDER / "pools.yaml"
    found = {}
    for name, content in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        try:
            found[name] = Pool.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, (name, *first["loc"])))
            raise DataError(f"{place}: {first['msg']}", where=path, fix="mend the pool; see docs/tools.md") from error
    return found


def draw(name: str, language: Language, rng: Random) -> Value:
    """A value of the pool."""
    pool = pools()[name]
    if pool.list:
        parts = _several(pool.list, language, rng, rng.randint(*pool.of))
        text = ", ".join(part.text for part in parts[:-1]) + AND[language] + parts[-1].text
        return Value([part.argument for part in parts], text, language)
    if pool.words:
        return _worded(None, rng.choice(pool.words[language]), language)
    if pool.codes:
        code = rng.choice(list(pool.codes))
        return _worded(code, pool.codes[code][language], language)
    return _drawn(pool, language, rng)


def coded(name: str, code: str, language: Language) -> Value:
    """A given value of a pool of codes."""
    codes = pools()[name].codes or {}
    return _worded(code, codes[code][language], language)


def _several(name: str, language: Language, rng: Random, count: int) -> list[Value]:
    words = pools()[name].words or {}
    return [_worded(None, item, language) for item in rng.sample(words[language], count)]


def _worded(code: str | None, item: str, language: Language) -> Value:
    text, *forms = item.split(" | ")
    listed = dict(form.split("=", 1) for form in forms)
    possessed = language == "kk" and text.endswith("+")
    if language == "ru" and "/" in text:
        listed = dict(zip(RUSSIAN_CASES, text.split("/"), strict=True)) | listed
        text = text.split("/")[0]
    elif text.endswith("="):
        text = text[:-1]
        listed = dict.fromkeys(RUSSIAN_CASES, text) | listed if language == "ru" else listed
    text = text.rstrip("+")
    bare = text.removeprefix("the ") if language == "en" else text
    return Value(code if code is not None else bare.strip("«»“”"), text, language, listed, possessed)


def _drawn(pool: Pool, language: Language, rng: Random) -> Value:
    if pool.integer:
        low, high, step = pool.integer
        number = rng.randrange(low, high + 1, step)
        return Value(number, grouped(number, language, rng.random() < 0.5), language)
    if pool.number:
        return measured(rng.randint(*pool.number) + rng.choice((0, 0, 0.5)), language)
    if pool.date:
        return _date(date(pool.date[0], 1, 1) + timedelta(days=rng.randrange(365 * (pool.date[1] - pool.date[0] + 1))), language)
    if pool.time:
        text = f"{rng.randint(*pool.time):02}:{rng.choice((0, 0, 15, 30, 30, 45)):02}"
        return Value(text, text, language)
    assert pool.code is not None
    text = re.sub("#", lambda _: str(rng.randrange(10)), pool.code)
    return Value(text, text, language)


def measured(number: float, language: Language) -> Value:
    """A number as people write it: a decimal comma but in English."""
    number = int(number) if number == int(number) else round(number, 4)
    text = str(number)
    return Value(number, text if language == "en" else text.replace(".", ","), language)


def grouped(number: int, language: Language, groups: bool) -> str:
    """Digits, from 10,000 on in groups of three if asked: a comma in English, else a space."""
    return f"{number:,}".replace(",", "," if language == "en" else " ") if groups and abs(number) >= 10_000 else str(number)


def _date(day: date, language: Language) -> Value:
    month = MONTHS[language][day.month - 1]
    if language == "kk":
        return Value(day.isoformat(), f"{day.year} жылғы {day.day} {month}", language)
    text = f"{day.day} {month} {day.year} года" if language == "ru" else f"{day.day} {month} {day.year}"
    return Value(day.isoformat(), text, language)
