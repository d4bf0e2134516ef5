"""A row of a source becomes an example, or is refused with one reason."""

import json
import re
from dataclasses import dataclass
from typing import Any

from kishi.overlap import ExampleIndex, HeldoutIndex
from kishi.words import words_of
from posttrain.data import languages, layouts, tool_calls, turns
from posttrain.data.example import Example, question_of, texts_of
from posttrain.data.layouts import LayoutError
from recipes.schema_chat import ChatSource

_LANGUAGE_KEYS = ("lang", "language", "language_code")
_NUMBER = re.compile(r"\d{2,}")
_MOST_TIMES, _FROM_CHARACTERS = 3.0, 40  # one side of a translation this much longer than the other is no translation of it
_TITLE_CHARACTERS, _TEXT_CHARACTERS = 200, 200


@dataclass(frozen=True)
class Checks:
    """What every example is compared with; the indexes hold evaluated text."""

    languages: tuple[str, ...]
    margin: float
    examples: ExampleIndex
    heldout: tuple[HeldoutIndex, ...]
    max_overlap: float


def example_of(row: Any, source: ChatSource, place: str, checks: Checks) -> Example | str:
    """The example, or why there is none ("reason: detail"). `place`: file and line, for rows without an id."""
    if not isinstance(row, dict):
        return "not a JSON object"
    row = {**row, **{ours: row[theirs] for ours, theirs in source.keys.items() if theirs in row}}
    licence = source.license or row.get("license")
    if not isinstance(licence, str) or not licence.strip():
        return "no license"
    try:
        payload = layouts.payload_of(row, source.kind)
    except LayoutError as error:
        return str(error)
    name = f"{source.name}/{row.get('id') or place}"
    example: Example = {
        "kind": source.kind, "id": name, "lang": "", "task": _task(row, source, payload), "source": source.name, "license": licence.strip(),
        "group": f"{source.name}/{row.get('group') or row.get('id') or place}", **payload,
    }  # fmt: skip
    if source.leads:
        example["lead"] = True
    if fault := shape_fault(example):
        return fault
    example["lang"] = _language(row, source, example)
    if fault := languages.language_fault(example, checks.languages, checks.margin) or evaluated(example, checks):
        return fault
    if source.kind == "sft":
        example["answer_lang"] = languages.answer_language(example, checks.languages)
    return example


def _task(row: dict[str, Any], source: ChatSource, payload: Example) -> str:
    told = source.task or row.get("task") or (row.get("kind") if source.kind == "tools" else None)
    if told is None and source.kind in ("sft", "preference") and languages.asks_for_translation(str(question_of(payload))):
        return "translation"
    return str(told or source.kind)


def shape_fault(example: Example) -> str | None:
    """What is wrong with an example by itself, whatever its language."""
    if unsound := _unencodable(example):
        return unsound
    kind = example["kind"]
    if kind == "sft":
        return turns.messages_fault(example["messages"])
    if kind == "preference":
        return turns.pair_fault(example)
    if kind == "tools":
        return (
            tool_calls.tools_fault(example["tools"])
            or turns.messages_fault(example["messages"], tools=True)
            or tool_calls.calls_fault(example["messages"], example["tools"], example["task"])
        )
    return parallel_fault(example["texts"]) if kind == "parallel" else titled_fault(example["title"], example["text"])


def _unencodable(example: Example) -> str | None:
    """Half a surrogate pair anywhere: JSON can escape one, UTF-8 cannot hold it."""
    try:
        json.dumps(example, ensure_ascii=False, default=str).encode("utf-8")
    except UnicodeEncodeError as error:
        return f"broken encoding: half a surrogate pair, U+{ord(error.object[error.start]):04X}"
    return None


def parallel_fault(texts: dict[str, Any]) -> str | None:
    """A parallel row: at least two texts, different, of like length, with a number in common when they have numbers."""
    for language, text in texts.items():
        if not isinstance(text, str):
            return f"content is not text: {language}, {type(text).__name__}"
        if fault := turns.text_fault(text):
            return f"{fault.replace('empty turn', 'a side is empty')}{'' if ':' in fault else ':'} {language}"
    if len(texts) < 2:
        return f"fewer than two languages: {', '.join(texts) or 'none'}"
    if len({" ".join(words_of(text)) for text in texts.values()}) < len(texts):
        return "two sides are the same: not translated"
    sizes = [len(text) for text in texts.values()]
    if max(sizes) > _FROM_CHARACTERS and max(sizes) > _MOST_TIMES * min(sizes):
        return f"one side is much longer: {max(sizes)} characters against {min(sizes)}"
    numbers = [set(_NUMBER.findall(text)) for text in texts.values()]
    if all(numbers) and not set.intersection(*numbers):
        return f"numbers differ: {', '.join(min(found) for found in numbers)}"
    return None


def titled_fault(title: Any, text: Any) -> str | None:
    """A document with a title: both there, the title shorter, and enough text to sum up."""
    for name, value in (("title", title), ("text", text)):
        if not isinstance(value, str) or not value.strip():
            return f"no {name}"
        if fault := turns.text_fault(value):
            return fault
    if len(title) > _TITLE_CHARACTERS or "\n" in title:
        return f"the title is no title: {len(title)} characters"
    if len(text) < _TEXT_CHARACTERS:
        return f"too little text: {len(text)} characters"
    return None


def _language(row: dict[str, Any], source: ChatSource, example: Example) -> str:
    if source.kind == "parallel":
        return next(iter(example["texts"]))
    told = source.language or languages.code_of(next((row[key] for key in _LANGUAGE_KEYS if row.get(key)), None))
    return told or languages.main_language(texts_of(example))


def evaluated(example: Example, checks: Checks) -> str | None:
    """Whether it repeats a task or a held-out document."""
    text = "\n".join(texts_of(example))
    if name := checks.examples.find(text):
        return f"contaminated: {name}"
    words = words_of(text)
    overlap = max(index.overlap(words) for index in checks.heldout)
    return f"heldout-overlap: {overlap:.2f} of the 8-grams" if overlap > checks.max_overlap else None
