"""Makes the conversations: `make(...)` gives rows to train on and rows held aside, by template and by tool. Equal seeds give equal rows.

To read some: python -m posttrain.tool_data.make --lang kk --count 40
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from random import Random
from typing import Any

import yaml

from kishi.jsonl import Row
from kishi.languages import LANGUAGES, Language
from posttrain.tool_data import sentences
from posttrain.tool_data.catalogue import Ask, Tool, catalogue
from posttrain.tool_data.results import COMPUTED
from posttrain.tool_data.values import FOLDER, Value, draw, measured

# share of each kind; calls and words in about the measure in which the leaderboard asks for them
KINDS: dict[str, float] = {"simple": 0.25, "multiple": 0.23, "parallel": 0.13, "result": 0.13, "no_call": 0.16, "missing_argument": 0.10}
SOURCE, LICENSE = "kishi tool templates", "Apache-2.0"
# tools that one request may fit: never offered in place of each other where none is to be called
ALIKE = (
    {"set_timer", "set_reminder", "add_calendar_event"},
    {"send_message", "send_email"},
    {"convert_length", "convert_mass", "convert_currency", "calculate", "loan_payment"},
    {"get_timetable", "get_distance", "order_taxi", "get_bus_arrival"},
    {"get_weather", "get_air_quality"},
)
ERRORS = ("service unavailable", "timeout", "not found", "internal error")
_TRIES = 400  # drawings of a row that was not there before, until the maker gives up


@cache
def _texts(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Desk:
    """What rows of one language and split are drawn from. `aside`: the templates kept from training; else the others."""

    language: Language
    tools: Mapping[str, Tool]
    aside: bool
    seen: bool
    rng: Random

    def pick(self, templates: Sequence[Any]) -> Any:
        """A template of this split: the last one is held aside where there are two or more; of tools never trained on all are."""
        if not self.seen or len(templates) == 1:
            return self.rng.choice(templates)
        return templates[-1] if self.aside else self.rng.choice(templates[:-1])

    def words(self, key: str) -> list[str]:
        """Of wording.yaml."""
        found: list[str] = _texts("wording.yaml")[self.language][key]
        return found

    def polite(self, request: str) -> str:
        """Now and then with a greeting before or thanks after."""
        before = self.rng.choice(self.words("greetings")) if self.rng.random() < 0.15 else ""
        return before + request + (self.rng.choice(self.words("thanks")) if self.rng.random() < 0.15 else "")

    def schemas(self, *tools: Tool, others: int = 0, unlike: bool = False) -> list[Row]:
        """The tools and some others, in any order; descriptions in the user's language half of the time, else in English."""
        names = {tool.name for tool in tools}
        alike = {name for group in ALIKE if group & names for name in group} if unlike else set()
        rest = [tool for name, tool in self.tools.items() if name not in names | alike]
        shown = [*(() if unlike else tools), *self.rng.sample(rest, min(others, len(rest)))]
        self.rng.shuffle(shown)
        language: Language = self.language if self.rng.random() < 0.5 else "en"
        return [tool.described(language) for tool in shown]

    def any_tool(self, needed: str = "ask") -> Tool:
        """A tool that has what is needed."""
        return self.rng.choice([tool for tool in self.tools.values() if getattr(tool, needed)])


def make(train: int, heldout: int, seed: int, languages: Sequence[Language] = LANGUAGES) -> tuple[list[Row], list[Row]]:
    """(rows to train on, held-out rows): so many in each language; two thirds of the held-out rows with tools that are trained on."""
    seen, unseen = catalogue()
    rows: list[Row] = []
    aside: list[Row] = []
    for language in languages:
        texts: set[str] = set()
        split = partial(Desk, language)
        rows += _rows(split(seen, False, True, Random(f"{seed} {language} train")), train, texts, "train")
        aside += _rows(split(seen, True, True, Random(f"{seed} {language} seen")), heldout - heldout // 3, texts, "seen")
        aside += _rows(split(unseen, True, False, Random(f"{seed} {language} unseen")), heldout // 3, texts, "unseen")
    Random(f"{seed} order").shuffle(rows)
    return rows, aside


def _rows(desk: Desk, count: int, texts: set[str], split: str) -> Iterator[Row]:
    """So many different rows of all kinds. Raises ValueError when the templates do not give as many."""
    for place in range(count):
        kind = _kind_of(place)
        for _ in range(_TRIES):
            row = MAKERS[kind](desk)
            said = " ".join([str(row["messages"]), *sorted(tool["function"]["name"] for tool in row["tools"])])
            if said not in texts:
                break
        else:
            raise ValueError(f"no more than {place} different rows ({split}, {desk.language}, {kind}): ask for fewer, or add templates")
        texts.add(said)
        about = {"id": f"tools-{split}-{desk.language}-{place:05}", "lang": desk.language, "task": kind}
        yield {**about, "split": split, "source": SOURCE, "license": LICENSE, **row}


def _kind_of(place: int) -> str:
    """Kinds in their shares at any count: the place's own point on a line of hundred, spread by a step that is prime to it."""
    point = (place * 37 % 100 + 0.5) / 100
    for kind, share in KINDS.items():
        point -= share
        if point < 0:
            return kind
    return "simple"


def user(text: str) -> Row:
    """A user's turn."""
    return {"role": "user", "content": text}


def calls(*made: tuple[Tool, dict[str, Any]]) -> Row:
    """An assistant's turn that calls."""
    entries = [{"type": "function", "function": {"name": tool.name, "arguments": given}} for tool, given in made]
    return {"role": "assistant", "content": "", "tool_calls": entries}


def words(text: str) -> Row:
    """An assistant's turn in words."""
    return {"role": "assistant", "content": text}


def request(desk: Desk, tool: Tool) -> tuple[str, dict[str, Value]]:
    """(a request that the tool fits, the values in it)."""
    ask: Ask = desk.pick(tool.ask[desk.language])
    values: dict[str, Value] = {}
    named = [*sentences.slots(ask.say), *(slot for text in ask.given.values() for slot in sentences.slots(str(text)))]
    sentences.fill(tool, [name for name in named if name not in ask.given], desk.language, desk.rng, values)
    sentences.fix(tool, ask.given, desk.language, values)
    return sentences.render(ask.say, values), values


def simple(desk: Desk, others: int = 0) -> Row:
    """One tool, one call; with `others` the right one of several."""
    tool = desk.any_tool()
    said, values = request(desk, tool)
    made = calls((tool, sentences.arguments(tool, values)))
    return {"tools": desk.schemas(tool, others=others), "messages": [user(desk.polite(said)), made]}


def multiple(desk: Desk) -> Row:
    """The right one of two to four tools."""
    return simple(desk, others=desk.rng.randint(1, 3))


def parallel(desk: Desk) -> Row:
    """Two calls in one turn: of one tool for two values, or two requests tied together."""
    if desk.rng.random() < 0.5:
        tool = desk.any_tool("both")
        template, values = desk.pick(tool.both[desk.language]), dict[str, Value]()
        sentences.fill(tool, sentences.slots(template), desk.language, desk.rng, values)
        both = [(tool, sentences.arguments(tool, values, which)) for which in ("1", "2")]
        said, tools = sentences.render(template, values), [tool]
    else:
        tools = desk.rng.sample(list(desk.tools.values()), 2)
        asked = [request(desk, tool) for tool in tools]
        both = [(tool, sentences.arguments(tool, values)) for tool, (_, values) in zip(tools, asked, strict=True)]
        said = desk.rng.choice(desk.words("joints")).join(text for text, _ in asked)
    shown = desk.schemas(*tools, others=desk.rng.choice((0, 0, 1)))
    return {"tools": shown, "messages": [user(desk.polite(said)), calls(*both)]}


def result(desk: Desk) -> Row:
    """A call, what the tool gave back, and the answer in words; `mentions`: what the answer must name."""
    tool = desk.any_tool("answer")
    said, values = request(desk, tool)
    given = sentences.arguments(tool, values)
    made = [user(desk.polite(said)), calls((tool, given))]
    if desk.rng.random() < 0.1:
        error = desk.rng.choice(ERRORS)
        back, answer, mentions = {"error": error}, desk.rng.choice(desk.words("failures")).format(error=error), [error]
    else:
        found = outcome(desk, tool, given)
        template = desk.pick(tool.answer[desk.language])
        back = {name: value.argument for name, value in found.items()}
        answer = sentences.render(template, values | found)
        mentions = [found[name].text for name in sentences.slots(template) if name in found and name not in values]
    told = {"role": "tool", "name": tool.name, "content": json.dumps(back, ensure_ascii=False)}
    return {"tools": desk.schemas(tool, others=desk.rng.choice((0, 1))), "messages": [*made, told, words(answer)], "mentions": mentions}


def outcome(desk: Desk, tool: Tool, given: dict[str, Any]) -> dict[str, Value]:
    """What the tool gives back: true where it can be computed, else drawn."""
    if tool.compute:
        return {name: measured(value, desk.language) for name, value in COMPUTED[tool.compute](given).items()}
    fixed = {name: next(iter(value.values())) for name, value in tool.result.items() if isinstance(value, dict)}
    drawn = {name: draw(pool, desk.language, desk.rng) for name, pool in tool.result.items() if isinstance(pool, str)}
    times = [name for name in drawn if tool.result[name] == "time"]  # what opens at one closes at a later one
    drawn.update(zip(times, sorted((drawn[name] for name in times), key=lambda value: value.text), strict=True))
    return {name: Value(text, text, desk.language) for name, text in fixed.items()} | drawn


def no_call(desk: Desk) -> Row:
    """No tool fits: a question that is answered in words, or a request that only a tool which is not there could do."""
    others = desk.rng.randint(1, 3)
    if desk.rng.random() < 0.4:
        known = _texts("general.yaml")[desk.language]
        cut = len(known) - len(known) // 5
        question, answer = desk.rng.choice(known[cut:] if desk.aside else known[:cut])
        return {"tools": desk.schemas(others=others), "messages": [user(question), words(answer)]}
    tool = desk.any_tool()
    said, _ = request(desk, tool)
    refusal = desk.rng.choice(desk.words("refusals")).format(topic=tool.topic[desk.language])
    return {
        "tools": desk.schemas(tool, others=others, unlike=True),
        "messages": [user(desk.polite(said)), words(refusal[0].upper() + refusal[1:])],
    }


def missing_argument(desk: Desk) -> Row:
    """A required argument is not said: the answer asks for it."""
    tool = desk.any_tool("lacks")
    said, question = desk.pick(tool.lacks[desk.rng.choice(list(tool.lacks))][desk.language])
    values: dict[str, Value] = {}
    sentences.fill(tool, sentences.slots(said + question), desk.language, desk.rng, values)
    asked, answer = sentences.render(said, values), sentences.render(question, values)
    return {"tools": desk.schemas(tool, others=desk.rng.choice((0, 1))), "messages": [user(desk.polite(asked)), words(answer)]}


MAKERS: dict[str, Callable[[Desk], Row]] = {
    "simple": simple,
    "multiple": multiple,
    "parallel": parallel,
    "result": result,
    "no_call": no_call,
    "missing_argument": missing_argument,
}


def main(given: list[str] | None = None) -> int:
    """Command line: prints rows to read."""
    parser = argparse.ArgumentParser(prog="python -m posttrain.tool_data.make", description=__doc__)
    parser.add_argument("--lang", choices=LANGUAGES, default="kk")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--heldout", action="store_true", help="held-out rows instead of those to train on")
    options = parser.parse_args(given)
    rows, aside = make(0 if options.heldout else options.count, options.count if options.heldout else 0, options.seed, (options.lang,))
    for row in rows or aside:
        print(f"{row['task']}  [{', '.join(tool['function']['name'] for tool in row['tools'])}]")
        for message in row["messages"]:
            made = [call["function"] for call in message.get("tool_calls", [])]
            print(f"  {message['role']:<9} {message['content'] or json.dumps(made, ensure_ascii=False)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
