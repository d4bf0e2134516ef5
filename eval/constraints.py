"""Instructions whose obedience a program can check, in the way of IFEval (Zhou and others 2023), made for Kazakh, Russian and English.

`make` gives questions; `obeyed` checks an answer. Equal seeds give equal questions.
"""

import json
import random
import re
from collections.abc import Callable
from typing import Any

from eval.answer_language import language_of

Constraint = dict[str, Any]  # {"kind": ..., and its arguments}

TOPICS: dict[str, tuple[str, ...]] = {
    "kk": ("Күз туралы айтып бер.", "Шай туралы жаз.", "Кітап оқудың пайдасын айт.", "Тау туралы жаз.", "Мектеп туралы айтып бер."),
    "ru": ("Расскажи об осени.", "Напиши о чае.", "Скажи, чем полезно чтение.", "Напиши о горах.", "Расскажи о школе."),
    "en": ("Tell me about autumn.", "Write about tea.", "Say why reading is useful.", "Write about mountains.", "Tell me about school."),
}
WORDS: dict[str, tuple[str, ...]] = {
    "kk": ("бүгін", "әрқашан", "дос", "жарық"),
    "ru": ("сегодня", "всегда", "друг", "свет"),
    "en": ("today", "always", "friend", "light"),
}
ENDINGS = {"kk": "Міне, осылай.", "ru": "Вот и все.", "en": "That is all."}
BEGINNINGS = {"kk": "Әрине", "ru": "Конечно", "en": "Certainly"}
OTHER = {"kk": "ru", "ru": "kk", "en": "kk"}  # the language that an answer is asked for in another one's question
_ASKED: dict[str, dict[str, str]] = {
    "sentences": {
        "kk": "Дәл {n} сөйлеммен жауап бер.",
        "ru": "Ответь ровно таким числом предложений: {n}.",
        "en": "Answer in exactly {n} sentences.",
    },
    "most_words": {
        "kk": "Жауапта {n} сөзден артық болмасын.",
        "ru": "В ответе должно быть не больше {n} слов.",
        "en": "Use at most {n} words.",
    },
    "least_words": {
        "kk": "Жауапта кемінде {n} сөз болсын.",
        "ru": "В ответе должно быть не меньше {n} слов.",
        "en": "Use at least {n} words.",
    },
    "includes": {
        "kk": "Жауапта «{word}» деген сөз болсын.",
        "ru": "В ответе должно быть слово «{word}».",
        "en": 'The answer must include the word "{word}".',
    },
    "lower_case": {
        "kk": "Бас әріптерді мүлде қолданба.",
        "ru": "Не используй заглавных букв.",
        "en": "Do not use any capital letters.",
    },
    "json": {
        "kk": "Жауапты «{word}» деген кілті бар бір JSON нысаны түрінде ғана бер.",
        "ru": "Ответь только одним объектом JSON с ключом «{word}».",
        "en": 'Answer with nothing but one JSON object that has the key "{word}".',
    },
    "numbered": {
        "kk": "Жауапты {n} тармақтан тұратын нөмірленген тізім түрінде бер.",
        "ru": "Ответь нумерованным списком, число пунктов: {n}.",
        "en": "Answer with a numbered list of {n} items.",
    },
    "language": {"kk": "Орыс тілінде жауап бер.", "ru": "Ответь на казахском языке.", "en": "Answer in Kazakh."},
    "begins": {
        "kk": "Жауапты «{word}» деген сөзден баста.",
        "ru": "Начни ответ словом «{word}».",
        "en": 'Begin the answer with the word "{word}".',
    },
    "ends": {
        "kk": "Жауаптың соңы «{word}» деген сөйлем болсын.",
        "ru": "Закончи ответ предложением «{word}»",
        "en": 'End the answer with the sentence "{word}"',
    },
}
KINDS = tuple(_ASKED)
_ITEM = re.compile(r"^\s*(\d+)[.)]\s+\S")


def make(language: str, count: int, seed: int) -> list[dict[str, Any]]:
    """`{"id", "lang", "prompt", "constraint"}`; the kinds take turns."""
    chance, made = random.Random(f"{seed} {language}"), []
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        constraint = _constraint(kind, language, chance)
        asked = _ASKED[kind][language].format(**constraint)
        made.append(
            {
                "id": f"{language}-{number:03d}-{kind}",
                "lang": language,
                "prompt": f"{chance.choice(TOPICS[language])} {asked}",
                "constraint": constraint,
            }
        )
    return made


def _constraint(kind: str, language: str, chance: random.Random) -> Constraint:
    arguments: dict[str, Constraint] = {
        "sentences": {"n": chance.randint(1, 3)},
        "most_words": {"n": chance.choice((5, 10, 20))},
        "least_words": {"n": chance.choice((10, 20, 30))},
        "includes": {"word": chance.choice(WORDS[language])},
        "json": {"word": chance.choice(WORDS[language])},
        "numbered": {"n": chance.randint(2, 4)},
        "language": {"language": OTHER[language]},
        "begins": {"word": BEGINNINGS[language]},
        "ends": {"word": ENDINGS[language]},
    }
    return {"kind": kind, **arguments.get(kind, {})}


def obeyed(constraint: Constraint, answer: str) -> bool:
    """An empty answer obeys nothing."""
    answer = answer.strip()
    return bool(answer) and _CHECKS[constraint["kind"]](constraint, answer)


def words(text: str) -> list[str]:
    """Runs of letters and digits; a hyphen or apostrophe inside joins."""
    return re.findall(r"\w+(?:[-'’]\w+)*", text.lower())


def sentences(text: str) -> int:
    """Stretches that end in a mark at a space or the end, and a last one without a mark; a mark inside a number does not count."""
    return len([part for part in re.split(r"[.!?…]+[»\"”)]*(?=\s|$)", text.strip()) if re.search(r"\w", part)])


def _json(constraint: Constraint, answer: str) -> bool:
    try:
        value = json.loads(answer)
    except ValueError:
        return False
    return isinstance(value, dict) and constraint["word"] in value


def _numbered(constraint: Constraint, answer: str) -> bool:
    found = [_ITEM.match(line) for line in answer.splitlines() if line.strip()]
    numbers = [int(match.group(1)) for match in found if match]
    return numbers == list(range(1, constraint["n"] + 1))


def _no_capitals(_: Constraint, answer: str) -> bool:
    return answer == answer.lower() and any(map(str.isalpha, answer))


_CHECKS: dict[str, Callable[[Constraint, str], bool]] = {
    "sentences": lambda constraint, answer: sentences(answer) == constraint["n"],
    "most_words": lambda constraint, answer: 0 < len(words(answer)) <= constraint["n"],
    "least_words": lambda constraint, answer: len(words(answer)) >= constraint["n"],
    "includes": lambda constraint, answer: constraint["word"] in words(answer),
    "lower_case": _no_capitals,
    "json": _json,
    "numbered": _numbered,
    "language": lambda constraint, answer: language_of(answer) == constraint["language"],
    "begins": lambda constraint, answer: answer.startswith(constraint["word"]),
    "ends": lambda constraint, answer: answer.endswith(constraint["word"]),
}
CONSTANT = {"kk": "Жақсы сұрақ.", "ru": "Хороший вопрос.", "en": "A good question."}  # what obeys by chance: one answer to all
