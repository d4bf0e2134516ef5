"""A test set must be whole: each kind of bad line is refused with its number."""

import json
from pathlib import Path

import pytest

from eval.task_documents import task_sets
from kishi.errors import DataError
from kishi.questions import load
from recipes.schema_eval import Task

GOOD = {"lang": "kk", "question": "Не?", "choices": ["а", "ә", "б"], "answer": 2}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{nope", r"tasks\.jsonl:2.*JSON"),
        (json.dumps({**GOOD, "answer": 3}), r"tasks\.jsonl:2.*answer 3, but there are 3 choices"),
        (json.dumps({**GOOD, "answer": "2"}), r"tasks\.jsonl:2.*answer"),
        (json.dumps({**GOOD, "choices": ["а"]}), r"tasks\.jsonl:2.*choices"),
        (json.dumps({**GOOD, "choices": ["а", "", "б"]}), r"tasks\.jsonl:2.*choices\.1"),
        (json.dumps({key: GOOD[key] for key in ("lang", "choices", "answer")}), r"tasks\.jsonl:2.*question"),
        (json.dumps(GOOD), "no question in ru"),
    ],
)
def test_bad_lines_and_missing_languages(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=message):
        load(path, ("kk", "ru"))


def test_not_utf8_and_no_file(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_bytes(b'{"lang": "kk", "question": "\xff"}\n')
    with pytest.raises(DataError, match=r"tasks\.jsonl:1"):
        load(path, ("kk",))
    with pytest.raises(DataError, match="no such file"):
        load(tmp_path / "none.jsonl", ("kk",))


def test_baselines_of_the_sample_set() -> None:
    task = Task(name="sample", path="data/sample/mcq.jsonl", license="Apache-2.0")
    for found in task_sets(task, ("kk", "ru", "en")):
        described = found.described()
        assert described["n"] == 50 and described["random"] == 0.25 and described["majority_macro_f1"] < described["majority"]


def test_letters_passages_and_other_column_names(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    rows = [{"q": "What is red?", "passage": "Apples are red.", "choices": ["sky", "apples"], "answer": "B", "split": "test"}]
    rows.append({**rows[0], "split": "train"})
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = load(path, ("en",), {"question": "q"}, {"split": "test"})["en"]  # a file of one language need not name it
    assert len(found) == 1 and found[0].answer == 1
    assert found[0].prompt == "Apples are red.\nQuestion: What is red?\nAnswer:"
