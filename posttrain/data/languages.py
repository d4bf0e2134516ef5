"""Whether an example is in the language that it says, and which one it is in when it says none."""

import re

from kishi.identification import identify, is_foreign
from kishi.languages import LANGUAGES
from posttrain.data.example import Example, turns_of

# as data sets name them: ISO 639-1 and -3, FLORES codes, English names
_NAMES = {
    "kk": ("kk", "kaz", "kaz_cyrl", "kk-kz", "kazakh", "қазақ", "қазақша"),
    "ru": ("ru", "rus", "rus_cyrl", "ru-ru", "russian", "русский"),
    "en": ("en", "eng", "eng_latn", "en-us", "en-gb", "english"),
}
CODES = {name: code for code, names in _NAMES.items() for name in names}
_ENOUGH = 150  # characters
_ASKED = 200  # characters at either end of a question in which its instruction stands
_TRANSLATE = re.compile(
    r"\btranslat(e|ion)\b|\b(in|into|to|from) (kazakh|russian|english)\b|\b(kazakh|russian|english)(, please| for\b| version\b)"
    r"|\bперев(ед|од)|\b(на|с) (казахск|русск|английск)|\bпо-(казах|рус|англий)ски"
    r"|\bаудар(ма|ып|ыңыз|ыңдар|шы|у)?\b|тәржімала|\b(қазақ|орыс|ағылшын)ша(ға|дан|ла(п|ңыз)?)?\b|\b(қазақ|орыс|ағылшын) тіл(іне|інен)\b",
    re.IGNORECASE,
)
_FENCED = re.compile(r"```.*?(?:```|$)", re.DOTALL)
_SIGNS = re.compile(r"[(){}\[\]=;<>_*+|\\/]|\b(SELECT|FROM|WHERE|def|return|import)\b")
_CODE = 0.04  # signs a character from which on it is code or a formula
_FREE = ("translation",)  # tasks whose question and answer may be in different languages


def code_of(name: object) -> str:
    """Our code for a data set's name of a language; the name itself in lower case when it is none of ours, empty when there is none."""
    told = str(name or "").strip().lower()
    return CODES.get(told, told)


def main_language(texts: list[str]) -> str:
    """What most of it is in."""
    return next(iter(identify(" ".join(texts))), "")


def asks_for_translation(question: str) -> bool:
    """Whether the request's own words say so. Data sets that mix tasks do not mark them, and the answer then is in another language."""
    return _TRANSLATE.search(question[:_ASKED] + "\n" + question[-_ASKED:]) is not None


def language_fault(example: Example, languages: tuple[str, ...], margin: float) -> str | None:
    """The first text that surely is in another language than it should be."""
    if example["lang"] not in languages:
        return f"a language that the recipe does not train: {example['lang']}"
    if "texts" in example:
        return _first_foreign(example["texts"], margin)
    if "text" in example:
        return _first_foreign({example["lang"]: example["text"]}, margin)
    if example["task"] in _FREE:
        return _translation_fault(example, languages, margin)
    for key, said in _said(example).items():
        if key != "rejected" and (found := _foreign(said, example["lang"], margin)):
            return f"{key} in another language: {found}, not {example['lang']}"
    return None


def _first_foreign(texts: dict[str, str], margin: float) -> str | None:
    found = {code: other for code, text in texts.items() if (other := _foreign(text, code, margin))}
    return next((f"text in another language: {other}, not {code}" for code, other in found.items()), None)


def _translation_fault(example: Example, languages: tuple[str, ...], margin: float) -> str | None:
    """The answer may be in any of the recipe's languages."""
    answer = _said(example)["answer"]
    others = [_foreign(answer, code, margin) for code in languages]
    return f"answer in another language: {others[0]}" if all(others) else None


def answer_language(example: Example, languages: tuple[str, ...]) -> str:
    """What the last answer is in: of a translation the likeliest of the recipe's languages, else the example's own."""
    if example["task"] not in _FREE:
        return str(example["lang"])
    found = identify(turns_of(example)[-1].get("content") or "")
    return next((code for code in found if code in languages), str(example["lang"]))


def _said(example: Example) -> dict[str, str]:
    """What the user says and what is answered, a text each. A rejected answer may be in the wrong language: that may be its fault."""
    said = {"question": "user", "answer": "assistant"}
    turns = turns_of({key: example[key] for key in ("messages", "prompt", "chosen") if key in example})
    return {name: "\n".join(turn.get("content") or "" for turn in turns if turn["role"] == role) for name, role in said.items()}


def _foreign(text: str, own: str, margin: float) -> str | None:
    """The language that the text surely is in instead. Kin are not told apart in a line: short Russian often looks like Ukrainian."""
    prose = _FENCED.sub(" ", text)
    if len(_SIGNS.findall(prose)) > _CODE * len(prose):
        return None
    found = is_foreign(prose, own, margin)
    return found if found in LANGUAGES or len(text) >= _ENOUGH else None
