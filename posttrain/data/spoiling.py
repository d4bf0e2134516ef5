"""Preference pairs made by spoiling good answers: the kind of fault is kept in `why`.

A judge must not learn that the longer (or shorter) answer is the better one. So each pair is drawn to be matched in length, or to have
the shorter, or the longer answer rejected, the last two equally often; then a fault that does so is looked for. Foreign answers come
from the same side of the split.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from kishi.draws import draw as drawn
from kishi.words import words_of
from posttrain.data.example import Example
from posttrain.data.wording import sentence
from recipes.schema_chat import Making

MATCHED = 1.25  # times the shorter answer's characters
_HARD = 0.4  # share of pairs for which the faults that are hard to see are tried first
_POOL = 2000  # answers a language that are kept to take foreign ones from
_DIGITS = re.compile(r"\d+")
_NAME = re.compile(r"(?<=[^\W\d_] )[^\W\d_a-zа-яёәғқңөұүһі][^\W\d_]{3,}")  # a capitalised word that begins no sentence
_SENTENCE = re.compile(r"(?<=[.!?…])\s+")
_ECHO = 600  # characters of a question that is given back
_WORDS = 6  # from which on an answer has an order, a middle, an end to lose


@dataclass(frozen=True)
class Given:
    """What a fault works on: question and answer, their language, and answers of other examples."""

    question: str
    answer: str
    language: str
    sides: dict[str, str]  # of a translation: the text in all its languages
    foreign: list[str]  # other languages, the nearest in length first
    others: list[str]  # this language, other questions, the nearest in length first
    draw: Random


class Pool:
    """Answers of one side of the split by language: those with the smallest draws."""

    def __init__(self, examples: Iterator[Example], seed: int) -> None:
        found: dict[str, list[tuple[float, str, str]]] = {}
        for example in examples:
            language = example["answer_lang"]
            found.setdefault(language, []).append((drawn(example["id"], seed + 2), example["group"], example["messages"][-1]["content"]))
            if len(found[language]) > 2 * _POOL:
                found[language] = sorted(found[language])[:_POOL]
        self._answers = {language: sorted(rows)[:_POOL] for language, rows in found.items()}

    def near(self, answer: str, languages: list[str], group: str, draw: Random) -> list[str]:
        """A few answers of these languages and other groups, the nearest in length first."""
        rows = [row for language in languages for row in self._answers.get(language, ()) if row[1] != group]
        some = draw.sample(rows, min(len(rows), 40))
        return [text for _, _, text in sorted(some, key=lambda row: (abs(len(row[2]) - len(answer)), row[0]))]

    @property
    def languages(self) -> list[str]:
        """All that it has answers in."""
        return sorted(self._answers)


def spoilt(example: Example, pool: Pool, options: Making, seed: int) -> Example | None:
    """The pair, for the share of examples that the recipe asks for; None for the others, and where no fault fits."""
    draw = Random(f"{seed}:{example['id']}:pair")
    *prompt, last = example["messages"]
    if draw.random() >= options.pairs or prompt[-1]["role"] != "user":
        return None
    language: str = example["answer_lang"]
    group, answer = example["group"], last["content"]
    foreign, others = (
        pool.near(answer, [code for code in pool.languages if (code == language) == own], group, draw) for own in (False, True)
    )
    given = Given(prompt[-1]["content"], answer, language, example.get("sides", {}), foreign, others, draw)
    shape = "matched" if draw.random() < options.matched else draw.choice(("shorter", "longer"))
    found = _fault_of(shape, given)
    if found is None:
        return None
    why, rejected = found
    common = {key: example[key] for key in ("source", "license", "group", "lang", "task")}
    return {
        "kind": "preference", "id": f"{example['id']}:pair", **common, "made": True, "prompt": prompt,
        "chosen": [last], "rejected": [{"role": "assistant", "content": rejected}], "why": why,
    }  # fmt: skip


def _fault_of(shape: str, given: Given) -> tuple[str, str] | None:
    """(why, rejected answer) of the first fault, in a drawn order, that has the shape."""
    names = list(FAULTS)
    given.draw.shuffle(names)
    if given.draw.random() < _HARD:  # what is wrong in a word or two, where there is such a word
        names.sort(key=lambda name: name not in HARD)
    for name in names:
        rejected = FAULTS[name](given)
        if rejected and " ".join(rejected.split()) != " ".join(given.answer.split()) and shape_of(given.answer, rejected) == shape:
            return name, rejected
    return None


def shape_of(chosen: str, rejected: str) -> str:
    """Whether the rejected answer is about as long as the chosen one, shorter or longer."""
    if max(len(chosen), len(rejected)) <= MATCHED * min(len(chosen), len(rejected)):
        return "matched"
    return "shorter" if len(rejected) < len(chosen) else "longer"


def _first(texts: list[str], draw: Random, best: int = 3) -> str | None:
    return draw.choice(texts[:best]) if texts else None


def _is_prose(text: str) -> bool:
    return len(words_of(text)) >= _WORDS and text.endswith((".", "!", "?", "…"))


def wrong_language(given: Given) -> str | None:
    """Of a translation the text in a third language, else the answer to another question in another language."""
    if third := [text for code, text in given.sides.items() if code != given.language and text not in given.question]:
        return given.draw.choice(third)
    return _first(given.foreign, given.draw)


def off_topic(given: Given) -> str | None:
    """The answer to another question."""
    return _first(given.others, given.draw)


def wrong_number(given: Given) -> str | None:
    """Each number another one near it."""

    def other(match: re.Match[str]) -> str:
        number = int(match[0])
        away = given.draw.randint(1, max(3, number // 8 if len(match[0]) != 4 else 40))  # four digits: mostly a year
        return str(number + away if away > number or given.draw.random() < 0.5 else number - away)

    return _DIGITS.sub(other, given.answer) if _DIGITS.search(given.answer) else None


def wrong_name(given: Given) -> str | None:
    """A name in it becomes one of another answer with the same ending, so that the grammar still holds."""
    names = _NAME.findall(given.answer) if _is_prose(given.answer) else []  # each word of an English title is capitalised
    for name in given.draw.sample(names, len(names)):
        pool = sorted({other for text in given.others for other in _NAME.findall(text) if other[-2:] == name[-2:] and other != name})
        if pool:
            return given.answer.replace(name, given.draw.choice(pool))
    return None


def truncated(given: Given) -> str | None:
    """It breaks off in the middle of a sentence."""
    words = given.answer.split(" ")
    if not _is_prose(given.answer):
        return None  # half a title may be a good one
    return " ".join(words[: given.draw.randint(2, max(2, len(words) * 2 // 3))]).rstrip(".,:;!?—-– ")


def repetition(given: Given) -> str:
    """Its last sentence again and again."""
    last = _SENTENCE.split(given.answer.strip())[-1]
    return " ".join([given.answer, *[last] * given.draw.randint(2, 4)])


def rambling(given: Given) -> str | None:
    """It goes on about something else."""
    more = given.others[:2]
    return " ".join([given.answer, *more]) if more else None


def word_order(given: Given) -> str | None:
    """The words of each sentence in disorder."""
    words = given.answer.rstrip(".!?…").split()
    if len(words) < _WORDS:
        return None
    given.draw.shuffle(words)
    return " ".join(words) + "."


def ignores_format(given: Given) -> str | None:
    """A plain answer becomes a bulleted list under a heading, or shouts."""
    if "\n" in given.answer or not _is_prose(given.answer):
        return None
    if given.draw.random() < 0.3:
        return given.answer.upper()
    lines = [f"- **{part.strip()}**" for part in re.split(r"(?<=[.!?…,;:])\s+", given.answer) if part.strip()]
    return "\n".join(lines)


def echo(given: Given) -> str | None:
    """The question comes back."""
    return given.question if len(given.question) <= _ECHO else None


def empty_politeness(given: Given) -> str:
    """Kind words that say nothing."""
    return sentence(given.draw, "polite", given.language, "")


def refusal(given: Given) -> str:
    """It declines what could be answered."""
    return sentence(given.draw, "refusal", given.language, "")


HARD = ("wrong number", "wrong name", "wrong language")
FAULTS: dict[str, Callable[[Given], str | None]] = {
    "wrong language": wrong_language,
    "off topic": off_topic,
    "wrong number": wrong_number,
    "wrong name": wrong_name,
    "truncated": truncated,
    "repetition": repetition,
    "rambling": rambling,
    "word order": word_order,
    "ignores format": ignores_format,
    "repeats the question": echo,
    "empty politeness": empty_politeness,
    "refusal": refusal,
}
