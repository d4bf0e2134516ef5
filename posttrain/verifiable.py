"""Tasks whose answers a program can check: made from a seed, in three languages, with the rewards that check them."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kishi.languages import NAMES, Language
from recipes.schema_posttrain import TaskKind

LARGEST = 20  # sums stay in reach of a small model
KAZAKH = set("әғқңөұүһі")  # letters that Russian has not: about every fifth of a Kazakh text
KAZAKH_SHARE = 0.03

_ARITHMETIC: dict[Language, tuple[str, ...]] = {
    "kk": ("{a} + {b} нешеге тең? Тек санмен жауап бер.", "{a} мен {b} сандарының қосындысын тек санмен жаз."),
    "ru": ("Сколько будет {a} + {b}? Ответь только числом.", "Сложи {a} и {b} и напиши только число."),
    "en": ("What is {a} + {b}? Answer with the number only.", "Add {a} and {b}. Write only the number."),
}
_THINGS: dict[Language, tuple[str, ...]] = {
    "kk": ("қала", "жануар", "жеміс", "кәсіп", "түс", "құс"),
    "ru": ("города", "животных", "фрукта", "профессии", "цвета", "птиц"),
    "en": ("cities", "animals", "fruits", "jobs", "colours", "birds"),
}
_FORMAT: dict[Language, str] = {
    "kk": "Нөмірленген тізім жаз, {n} тармақ, басқа ештеңе жазба: {thing}.",
    "ru": "Напиши нумерованный список из {n} пунктов и больше ничего: {thing}.",
    "en": "Write a numbered list of {n} lines and nothing else: {thing}.",
}
_QUESTIONS: dict[Language, tuple[str, ...]] = {
    "kk": ("Қыста ауа райы қандай?", "Кітап не үшін керек?", "Таңертең не істейсің?", "Дос деген кім?", "Су не үшін керек?"),
    "ru": ("Какая погода зимой?", "Зачем нужны книги?", "Что ты делаешь утром?", "Кто такой друг?", "Зачем нужна вода?"),
    "en": ("What is winter like?", "What are books for?", "What do you do in the morning?", "Who is a friend?", "What is water for?"),
}
_IN: dict[Language, dict[Language, str]] = {
    "kk": {"kk": "Қазақша жауап бер.", "ru": "Орысша жауап бер.", "en": "Ағылшынша жауап бер."},
    "ru": {"kk": "Ответь по-казахски.", "ru": "Ответь по-русски.", "en": "Ответь по-английски."},
    "en": {"kk": "Answer in Kazakh.", "ru": "Answer in Russian.", "en": "Answer in English."},
}


@dataclass(frozen=True)
class Task:
    """`lang`: of the prompt. `wanted`: the sum, the number of lines, or the language of the answer."""

    kind: TaskKind
    lang: Language
    prompt: str
    wanted: str

    @property
    def row(self) -> dict[str, Any]:
        """For TRL, whose reward functions get all columns but the prompt by name."""
        return {"prompt": [{"role": "user", "content": self.prompt}], "kind": self.kind, "lang": self.lang, "wanted": self.wanted}


def make(kinds: Sequence[TaskKind], languages: Sequence[Language], count: int, seed: int, leave_out: Sequence[Task] = ()) -> list[Task]:
    """`count` different tasks in a random order, kinds and languages in turn; fewer where there are no more. None is of `leave_out`."""
    generator, seen = random.Random(seed), {task.prompt for task in leave_out}
    places = [(kind, language) for language in languages for kind in kinds]
    made: list[Task] = []
    for attempt in range(count * 50):
        if len(made) == count:
            break
        kind, language = places[attempt % len(places)]
        task = _one(kind, language, generator)
        if task.prompt not in seen:
            seen.add(task.prompt)
            made.append(task)
    generator.shuffle(made)
    return made


def _one(kind: TaskKind, language: Language, generator: random.Random) -> Task:
    if kind == "arithmetic":
        a, b = generator.randint(1, LARGEST), generator.randint(1, LARGEST)
        return Task(kind, language, generator.choice(_ARITHMETIC[language]).format(a=a, b=b), str(a + b))
    if kind == "format":
        n = generator.randint(2, 6)
        return Task(kind, language, _FORMAT[language].format(n=n, thing=generator.choice(_THINGS[language])), str(n))
    wanted = generator.choice(list(NAMES))
    return Task(kind, language, f"{generator.choice(_QUESTIONS[language])} {_IN[language][wanted]}", wanted)


def right(kind: str, wanted: str, text: str) -> float | None:
    """1 when the one number of the answer is the sum; of arithmetic only, None for the others."""
    return float(re.findall(r"-?\d+", text) == [wanted]) if kind == "arithmetic" else None


def obeyed(kind: str, wanted: str, text: str) -> float | None:
    """1 when the answer has the form asked for: a number and nothing else, or lines numbered 1 to n. None for language tasks."""
    if kind == "arithmetic":
        return float(re.fullmatch(r"\s*-?\d+\.?\s*", text) is not None)
    if kind == "format":
        lines = [line.strip() for line in text.strip().splitlines()]
        numbered = [match[1] for line in lines if (match := re.fullmatch(r"(\d+)[.)]\s+\S.*", line))]
        return float(len(lines) == len(numbered) and numbered == [str(number) for number in range(1, int(wanted) + 1)])
    return None


def in_language(kind: str, wanted: str, text: str) -> float | None:
    """1 when the answer is in the language asked for; None for other tasks."""
    return float(language_of(text) == wanted) if kind == "language" else None


def language_of(text: str) -> Language | None:
    """By letters alone: Latin is English, Cyrillic with Kazakh's own letters is Kazakh, other Cyrillic Russian; None below four letters.

    A rough rule, right for sentences. It says nothing about sense: a model can please it with letters alone.
    """
    letters = [letter for letter in text.lower() if letter.isalpha()]
    latin, cyrillic = sum("a" <= letter <= "z" for letter in letters), sum("а" <= letter <= "ӿ" or letter == "ё" for letter in letters)
    if len(letters) < 4 or max(latin, cyrillic) < 0.8 * len(letters):
        return None
    if latin > cyrillic:
        return "en"
    return "kk" if sum(letter in KAZAKH for letter in letters) >= KAZAKH_SHARE * len(letters) else "ru"


CHECKS = {"right": right, "obeyed": obeyed, "in_language": in_language}


def reward_functions(turn_end: int) -> list[Any]:
    """For TRL: the checks, and whether the answer ends its turn. A check that does not fit a task gives None, which does not count."""

    def of(name: str) -> Any:
        def reward(completions: list[Any], kind: list[str], wanted: list[str], **_: Any) -> list[float | None]:
            texts = [turns[0]["content"] for turns in completions]
            return [CHECKS[name](k, w, text) for k, w, text in zip(kind, wanted, texts, strict=True)]

        reward.__name__ = name
        return reward

    def ended(completion_ids: list[list[int]], **_: Any) -> list[float]:
        return [float(bool(ids) and ids[-1] == turn_end) for ids in completion_ids]

    return [*(of(name) for name in CHECKS), ended]


def measure(tasks: Sequence[Task], texts: Sequence[str], stopped: Sequence[bool]) -> dict[str, float]:
    """Mean of each check over the tasks that it fits, and share of answers that ended their turn."""
    found = {"ended": round(sum(stopped) / len(stopped), 4)}
    for name, check in CHECKS.items():
        values = [check(task.kind, task.wanted, text) for task, text in zip(tasks, texts, strict=True)]
        if counted := [value for value in values if value is not None]:
            found[name] = round(sum(counted) / len(counted), 4)
    return found
