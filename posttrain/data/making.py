"""SFT examples made of other text: translations in all directions of a parallel row, headlines and summaries of a titled document.

What is made has its source's licence and group, so that one sentence in six directions, or a document's headline and summary, stay on
one side of the split. Every choice depends on the seed and the name of the example alone.
"""

import re
from collections.abc import Iterator
from itertools import permutations
from random import Random

from kishi.words import words_of
from posttrain.data.example import Example
from posttrain.data.wording import sentence, translation_names
from recipes.schema_chat import Making

SHORT = 80  # characters that may stand in quotation marks inside a question
_SYSTEM, _QUOTED, _THIRD = 0.12, 0.25, 0.1  # shares: task told by the system, short sentence quoted, asked in a third language
_QUOTES = re.compile('[«»"“”„]')
_SENTENCE = re.compile(r"(?<=[.!?…])\s+(?=[^\W\d_a-zа-яёәғқңөұүһі]|[«\"“—])")
_LEAD_CHARACTERS = (50, 320)
_STEM = 5  # letters: enough to know a word of Kazakh or Russian by, whatever its ending
_TOLD_AGAIN, _TIMES = 0.25, 2.0  # share of the lead's longer words that the text takes up; the text is so many times as long


def made_of(example: Example, options: Making, seed: int) -> Iterator[Example]:
    """Everything that is made of one parallel row or titled document; nothing of other kinds."""
    draw = Random(f"{seed}:{example['id']}")
    if example["kind"] == "parallel":
        yield from translations(example, options.directions, draw)
    elif example["kind"] == "titles":
        yield from summaries(example, options.document_characters, draw)


def translations(example: Example, directions: int, draw: Random) -> Iterator[Example]:
    """The row in `directions` of its directions (two a pair of languages)."""
    texts: dict[str, str] = example["texts"]
    every = list(permutations(sorted(texts), 2))
    for source, target in sorted(draw.sample(every, min(directions, len(every)))):
        language = _asking(draw, source, target)
        names = translation_names(language, source, target)
        turns = [*_request(draw, language, texts[source], names), {"role": "assistant", "content": texts[target]}]
        name = f"{example['id']}:{source}-{target}"
        yield _made(example, name, language, "translation", turns) | {
            "direction": f"{source}-{target}",
            "answer_lang": target,
            "sides": texts,
        }


def _asking(draw: Random, source: str, target: str) -> str:
    """The language of the request: mostly one of the two."""
    third = next(code for code in ("kk", "ru", "en") if code not in (source, target))
    return third if draw.random() < _THIRD else draw.choice((source, target))


def _request(draw: Random, language: str, text: str, names: dict[str, str]) -> list[dict[str, str]]:
    kind = draw.random()
    if kind < _SYSTEM:
        system = sentence(draw, "translate_system", language, "", names)
        return [{"role": "system", "content": system}, {"role": "user", "content": text}]
    quoted = kind < _SYSTEM + _QUOTED and len(text) <= SHORT and not _QUOTES.search(text)
    key, said = ("translate_short", text.removesuffix(".")) if quoted else ("translate", text)
    return [{"role": "user", "content": sentence(draw, key, language, said, names)}]


def summaries(example: Example, most: int, draw: Random) -> Iterator[Example]:
    """A headline from the text, and a summary of what follows the lead when the lead is one."""
    language, text = example["lang"], example["text"]
    body = beginning(text, most)
    answer = [{"role": "assistant", "content": example["title"].removesuffix(".")}]
    asked = [{"role": "user", "content": sentence(draw, "headline", language, body)}]
    yield _made(example, f"{example['id']}:headline", language, "headline", asked + answer)
    lead, _, rest = text.partition("\n")
    body = beginning(rest.strip(), most)
    if example.get("lead") and (lead := lead_of(lead)) and is_summary(lead, body, example["title"]):
        asked = [{"role": "user", "content": sentence(draw, "summary", language, body)}]
        answer = [{"role": "assistant", "content": lead}]
        yield _made(example, f"{example['id']}:summary", language, "summarization", asked + answer)


def beginning(text: str, most: int) -> str:
    """Whole paragraphs, at least one, up to so many characters; a first paragraph that is longer by itself is cut after a sentence."""
    paragraphs = text.split("\n")
    kept, size = [], 0
    for paragraph in paragraphs:
        if size + len(paragraph) > most:
            break
        kept.append(paragraph)
        size += len(paragraph) + 1
    if any(kept):
        return "\n".join(kept).strip()
    cut = ""
    for said in _SENTENCE.split(paragraphs[0]):
        if cut and len(cut) + len(said) > most:
            break
        cut = f"{cut} {said}".strip()
    return cut


def lead_of(paragraph: str) -> str | None:
    """The first paragraph, or its first sentences when it is too long; None when it is no lead: too short, or not a whole sentence."""
    lead = ""
    for said in _SENTENCE.split(paragraph.strip()):
        if lead and len(lead) + len(said) > _LEAD_CHARACTERS[1]:
            break
        lead = f"{lead} {said}".strip()
    whole = lead[:1].isalpha() and lead.endswith(".")  # not a dialogue, a list, or a question that the text answers
    return lead if whole and _LEAD_CHARACTERS[0] <= len(lead) <= _LEAD_CHARACTERS[1] else None


def is_summary(lead: str, body: str, title: str) -> bool:
    """Whether a lead sums up what follows: it names what the title does, and the text takes up enough of its words."""
    stems, told, named = _stems(lead), _stems(body), _stems(title)
    if not named or 2 * len(stems & named) < len(named) or len(body) < _TIMES * len(lead):
        return False
    return len(stems & told) >= _TOLD_AGAIN * len(stems)


def _stems(text: str) -> set[str]:
    return {word[:_STEM] for word in words_of(text) if len(word) >= _STEM}


def _made(example: Example, name: str, language: str, task: str, turns: list[dict[str, str]]) -> Example:
    origin = {key: example[key] for key in ("source", "license", "group")}
    return {"kind": "sft", "id": name, "lang": language, "answer_lang": language, "task": task, **origin, "made": True, "messages": turns}
