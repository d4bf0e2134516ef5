"""What models read: the prompt of every kind of task, in the language of its text.

A change here changes what is measured: raise the kind's number in `eval.task_versions` (a test holds both together).
"""

from typing import Any

from kishi.languages import Language

PASSAGE: dict[str, str] = {"kk": "Мәтін", "ru": "Текст", "en": "Passage"}
QUESTION: dict[str, str] = {"kk": "Сұрақ", "ru": "Вопрос", "en": "Question"}
ANSWER: dict[str, str] = {"kk": "Жауап", "ru": "Ответ", "en": "Answer"}
PROBLEM: dict[str, str] = {"kk": "Есеп", "ru": "Задача", "en": "Problem"}
SOLUTION: dict[str, str] = {"kk": "Шешуі", "ru": "Решение", "en": "Solution"}
LANGUAGE_NAMES: dict[str, dict[str, str]] = {
    "kk": {"kk": "Қазақша", "ru": "Орысша", "en": "Ағылшынша"},
    "ru": {"kk": "По-казахски", "ru": "По-русски", "en": "По-английски"},
    "en": {"kk": "Kazakh", "ru": "Russian", "en": "English"},
}
YES_NO: dict[str, tuple[str, str]] = {"kk": ("иә", "жоқ"), "ru": ("да", "нет"), "en": ("yes", "no")}
_TOPIC = {"kk": "Бұл мәтіннің тақырыбы:", "ru": "Тема этого текста:", "en": "The topic of this text:"}
_LINKS = {
    "kk": {"cause": "өйткені", "effect": "сондықтан"},
    "ru": {"cause": "потому что", "effect": "поэтому"},
    "en": {"cause": "because", "effect": "so"},
}
_SAME_MEANING = {
    "kk": "«{}» сөзі екі сөйлемде де бір мағынада қолданылған ба?",
    "ru": "В обоих предложениях слово «{}» употреблено в одном и том же значении?",
    "en": 'Is the word "{}" used with the same meaning in both sentences?',
}


def copa(lang: str, premise: str, question: str) -> str:
    """The premise without its full stop and a conjunction; the choice goes on with the sentence."""
    return f"{premise.strip().rstrip('.')}, {_LINKS[lang][question]}"


def continued(sentence: str) -> str:
    """A sentence as the second part of one: its first letter small, unless it begins with an abbreviation or a lone letter."""
    return sentence[:1].lower() + sentence[1:] if sentence[1:2].islower() else sentence


def topic(lang: str, text: str) -> str:
    """A label follows."""
    return f"{text.strip()}\n{_TOPIC[lang]}"


def reading(lang: str, passage: str, question: str) -> str:
    """The answer follows in the passage's own words."""
    return f"{PASSAGE[lang]}: {passage.strip()}\n{QUESTION[lang]}: {question.strip()}\n{ANSWER[lang]}:"


def translation(source: str, target: str, text: str) -> str:
    """Worded in the language of the text."""
    names = LANGUAGE_NAMES[source]
    return f"{names[source]}: {text.strip()}\n{names[target]}:"


def word_in_context(lang: str, word: str, first: str, second: str) -> str:
    """Yes or no follows."""
    return f"1. {first.strip()}\n2. {second.strip()}\n{_SAME_MEANING[lang].format(word)}\n{ANSWER[lang]}:"


def maths(lang: str, question: str) -> str:
    """The steps and the number follow."""
    return f"{PROBLEM[lang]}: {question.strip()}\n{SOLUTION[lang]}:"


# how a chat model is asked to translate, worded in the language of the text
_TRANSLATE: dict[str, dict[str, str]] = {
    "kk": {"ru": "Орыс тіліне аудар", "en": "Ағылшын тіліне аудар"},
    "ru": {"kk": "Переведи на казахский", "en": "Переведи на английский"},
    "en": {"kk": "Translate into Kazakh", "ru": "Translate into Russian"},
}


def translate(source: Language | str, target: Language | str, text: str) -> list[dict[str, Any]]:
    """A conversation that asks for one translation."""
    return [{"role": "user", "content": f"{_TRANSLATE[source][target]}: {text.strip()}"}]
