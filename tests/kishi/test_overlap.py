"""Evaluation text is found verbatim and lightly edited; ordinary text that shares phrases with it is not."""

import random
from pathlib import Path

import pytest

from kishi.jsonl import read_rows
from kishi.overlap import SHORT, ExampleIndex, HeldoutIndex
from kishi.words import words_of
from recipes.schema_data import Decontamination

CORPUS = [row["text"] for path in sorted(Path("data/sample/corpus").glob("*.jsonl")) for row in read_rows(path)]
QUESTIONS = [row["question"] for row in read_rows(Path("data/sample/mcq.jsonl"))]


def _index(texts: list[str]) -> ExampleIndex:
    return ExampleIndex({"set": texts}, Decontamination())


def _inside(text: str, seed: int) -> str:
    """The text in the middle of an ordinary document."""
    host = CORPUS[seed % len(CORPUS)]
    return f"{host[: len(host) // 2]} {text} {host[len(host) // 2 :]}"


def test_verbatim_questions_are_always_found_and_ordinary_text_never() -> None:
    index = _index(QUESTIONS)
    assert sum(len(words_of(question)) < SHORT for question in QUESTIONS) > 5 and index.too_short == 0
    found = [index.find(_inside(question.upper().replace(",", " -"), n)) for n, question in enumerate(QUESTIONS)]
    assert found == ["set"] * len(QUESTIONS)
    assert [text for text in CORPUS if index.find(text)] == []


@pytest.mark.parametrize(
    ("example", "text", "found"),
    [
        ("Who built the Colosseum?", "A quiz.\nWho built the Colosseum? The Romans.", True),
        ("Who built the Colosseum?", "1. who built  the «Colosseum»", True),  # the end of a line
        ("Who built the Colosseum?", "The Romans, who built the Colosseum with slaves, had cement.", False),  # inside a sentence
        ("Кто ты?", "Он спросил.\n— Кто ты?", True),
        ("Кто ты?", "Скажи, кто ты?", False),  # two words are compared with whole sentences only
    ],
)
def test_short_tasks_are_found_as_sentences(example: str, text: str, found: bool) -> None:
    assert (_index([example]).find(text) is not None) == found


def test_short_turns_of_a_chat_and_single_words_are_counted_as_not_compared() -> None:
    index = ExampleIndex({"chat:sft.jsonl": ["Good morning to you!"], "set": ["Why?"]}, Decontamination())
    assert index.too_short == 2 and index.find("Good morning to you!\nWhy?") is None


def test_one_changed_word_in_ten_is_found() -> None:
    long = [question for question in QUESTIONS if len(words_of(question)) >= 10]
    index, hits = _index(long), 0
    for n, question in enumerate(long):
        words = question.split()
        for place in random.Random(n).sample(range(len(words)), max(1, len(words) // 10)):
            words[place] = "басқа"
        hits += index.find(_inside(" ".join(words), n)) is not None
    assert hits / len(long) >= 0.95, f"{hits} of {len(long)}"


def test_scattered_words_of_a_question_are_no_repetition() -> None:
    question = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    words = question.split()
    filler = ["x"] * 60
    scattered = [w for at in range(0, 12, 3) for w in [*words[at : at + 3], *filler]]
    assert _index([question]).find(" ".join(scattered)) is None and _index([question]).find(question) == "set"


def test_heldout_overlap_is_of_the_smaller_text_and_ignores_set_phrases() -> None:
    words = [f"word{n}" for n in range(100)]
    notice = [f"notice{n}" for n in range(12)]
    index = HeldoutIndex([" ".join(words), *(" ".join([*notice, str(n), *map(str, range(n * 50, n * 50 + 30))]) for n in range(1, 4))])
    assert index.overlap(["intro", *words[:40]]) > 0.9 and index.overlap(words * 2) > 0.9
    assert index.overlap([*notice, *(f"own{n}" for n in range(30))]) == 0.0 and index.overlap(["short"]) == 0.0
