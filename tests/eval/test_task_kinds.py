"""Files of every kind become questions in the language of their text; a prompt that changes needs a new version."""

import json
from pathlib import Path
from typing import Any

import pytest

from eval.task_documents import KIND_VERSIONS, task_sets
from kishi.errors import DataError
from kishi.manifest import sha256_of
from recipes.schema_eval import Task

ROWS: dict[str, list[dict[str, Any]]] = {
    "multiple_choice": [{"question": "Q?", "choices": ["a", "b"], "answer": 1, "passage": "P."}],
    "copa": [
        {"premise": "Жер дымқыл.", "choice1": "Жаңбыр жауды.", "choice2": "Күн шықты.", "question": "cause", "answer": 0},
        {"premise": "Жаңбыр жауды.", "choice1": "Жер дымқыл.", "choice2": "ҚР құрылды.", "question": "effect", "answer": 0},
    ],
    "topic": [{"text": "Match.", "label": "sport"}, {"text": "Vote.", "label": "politics"}],
    "reading": [{"passage": "P is red.", "question": "What is red?", "answers": {"text": ["P"], "answer_start": [0]}}],
    "spelling": [{"wrong": "Жаксы.", "right": "Жақсы."}, {"wrong": "Same  text", "right": "Same text"}],
    "word_in_context": [{"word": "ат", "sentence1": "Ат шапты.", "sentence2": "Аты кім?", "answer": False}],
    "maths": [{"question": "2+2?", "answer": "It is <<2+2=4>>4.\n#### 1,004"}],
    "bits_per_byte": [{"text": "Дала."}],
    "bits_per_sentence": [{"text": "Дала кең."}],
}
LABELS = {"kk": {"sport": "спорт"}}


def _sets(tmp_path: Path, kind: str, language: str) -> Any:
    path = tmp_path / "task.jsonl"
    path.write_text("\n".join(json.dumps({"lang": language, **row}, ensure_ascii=False) for row in ROWS[kind]), encoding="utf-8")
    task = Task.model_validate({"name": "t", "kind": kind, "path": str(path), "license": "-", "labels": LABELS if kind == "topic" else {}})
    return task_sets(task, (language,))[0]


def _translations(tmp_path: Path) -> Any:
    path = tmp_path / "pairs.jsonl"
    rows = [
        {"kk": "Сәлем", "ru": "Привет", "en": "Hello"},
        {"src_lang": "kk", "tgt_lang": "en", "source_text": "Ат", "target_text": "Horse"},
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return task_sets(Task(name="t", kind="translation", path=str(path), license="-"), ("kk", "ru", "en"))


# of all documents that the rows above become in three languages: when one changes, raise the kind's number in KIND_VERSIONS and pin again
PINNED = {
    "multiple_choice": "2 73eb9d00e810",
    "copa": "1 4931ddd60369",
    "topic": "1 0c53fd82f24a",
    "reading": "1 5a2f25f05b5b",
    "spelling": "1 263e7d8c9c70",
    "word_in_context": "1 9849fc2e528c",
    "maths": "1 95efc0fac564",
    "bits_per_byte": "1 f640accde8db",
    "bits_per_sentence": "1 15bbf5eda613",
    "translation": "1 2eb2b3ac5bb0",
}


def test_prompts_are_those_of_their_version(tmp_path: Path) -> None:
    found = {
        kind: f"{KIND_VERSIONS[kind]} " + sha256_of([_sets(tmp_path, kind, la).documents for la in ("kk", "ru", "en")])[:12]  # type: ignore[index]
        for kind in ROWS
    }
    found["translation"] = f"{KIND_VERSIONS['translation']} " + sha256_of([pair.documents for pair in _translations(tmp_path)])[:12]
    assert found == PINNED


def test_prompts_read_well(tmp_path: Path) -> None:
    first, second = _sets(tmp_path, "copa", "kk").documents
    assert (first["text"], first["choices"][0]) == ("Жер дымқыл, өйткені", "жаңбыр жауды.")
    assert (second["text"], second["choices"][1]) == ("Жаңбыр жауды, сондықтан", "ҚР құрылды.")
    topic = _sets(tmp_path, "topic", "kk")
    assert topic.documents[0]["choices"] == ["politics", "спорт"] and topic.documents[0]["answer"] == 1
    assert _sets(tmp_path, "reading", "ru").documents[0]["text"] == "Текст: P is red.\nВопрос: What is red?\nОтвет:"
    assert _sets(tmp_path, "maths", "en").documents[0]["references"] == ["1004"]
    assert _sets(tmp_path, "word_in_context", "en").documents[0]["choices"] == ["yes", "no"]
    assert _sets(tmp_path, "bits_per_byte", "kk").label == "t_kk@1.1"


def test_spelling_pairs_stand_in_either_order_and_equal_ones_are_counted(tmp_path: Path) -> None:
    assert _sets(tmp_path, "spelling", "kk").skipped == 1
    path = tmp_path / "many.jsonl"
    rows = [{"lang": "kk", "wrong": f"сөйлм {n}", "right": f"сөйлем {n}"} for n in range(60)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = task_sets(Task(name="t", kind="spelling", path=str(path), license="-"), ("kk",))[0]
    assert all(row["choices"][row["answer"]].startswith("сөйлем") for row in found.documents)
    assert found.described()["majority"] < 0.65


def test_translation_goes_both_ways_in_every_pair(tmp_path: Path) -> None:
    found = {pair.name: pair for pair in _translations(tmp_path)}
    assert set(found) == {"t_kk_ru", "t_ru_kk", "t_kk_en", "t_en_kk", "t_ru_en", "t_en_ru"}
    assert [row["references"] for row in found["t_en_kk"].documents] == [["Сәлем"], ["Ат"]]
    assert found["t_en_kk"].described()["baselines"]["copy"]["chrf"] < 30


@pytest.mark.parametrize(
    ("kind", "row", "message"),
    [
        ("copa", {"premise": "P", "choice1": "a", "choice2": "b", "question": "why", "answer": 0}, "question"),
        ("topic", {"text": " ", "label": "x"}, "text"),
        ("reading", {"passage": "p", "question": "q", "answers": []}, "answers"),
        ("translation", {"kk": "Сәлем"}, "two languages are needed"),
        ("maths", {"question": "2+2?", "answer": "four"}, "answer has no number"),
        ("word_in_context", {"word": "w", "sentence1": "a", "sentence2": "b", "answer": "maybe"}, "answer"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, kind: str, row: dict[str, Any], message: str) -> None:
    path = tmp_path / "task.jsonl"
    path.write_text(json.dumps({"lang": "kk", **row}, ensure_ascii=False), encoding="utf-8")
    with pytest.raises(DataError, match=rf"task\.jsonl:1: .*{message}"):
        task_sets(Task.model_validate({"name": "t", "kind": kind, "path": str(path), "license": "-"}), ("kk", "ru"))


def test_a_language_that_the_file_lacks_says_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no question in ru\n.*the file has kk"):
        task = _sets(tmp_path, "topic", "kk").task
        task_sets(task, ("kk", "ru"))


def test_tasks_that_say_too_little_or_too_much() -> None:
    with pytest.raises(ValueError, match="needs path"):
        Task(name="t", license="-")
    with pytest.raises(ValueError, match="lm-eval's own, which has no where"):
        Task(name="belebele_kaz_Cyrl", kind="lm_eval", license="-", where={"split": "test"})
