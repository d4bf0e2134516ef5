"""Chat measures: what is asked, baselines that need no model, and figures that raw rows give again by other code."""

from pathlib import Path
from typing import Any

import pytest
import sacrebleu

from eval import chat, constraints
from kishi.errors import DataError
from kishi.jsonl import read_rows, write_rows
from recipes.schema_eval import ChatMeasures

LANGUAGES = ("kk", "ru", "en")
TRANSLATION = "data/sample/translation.jsonl"


class Parrot:
    """Says again what it was told last, and stops when that was short."""

    def answer(self, conversations: Any, room: int) -> list[tuple[str, bool]]:
        said = [messages[-1]["content"].partition(": ")[2] or messages[-1]["content"] for messages in conversations]
        return [(text, len(text) < 60) for text in said]


@pytest.fixture(scope="module")
def test_set(tmp_path_factory: pytest.TempPathFactory) -> chat.ChatTest:
    folder = tmp_path_factory.mktemp("chat")
    rows = list(read_rows(Path(TRANSLATION)))
    write_rows(folder / "asked.jsonl", rows[:8])
    write_rows(folder / "pairs.jsonl", rows[4:])
    asked = {"translation": str(folder / "asked.jsonl"), "pairs": str(folder / "pairs.jsonl"), "conversations": "data/sample/sft.jsonl"}
    return chat.prepare(ChatMeasures.model_validate({**asked, "constraints": 10, "limit": 12}), LANGUAGES, seed=1)


def test_six_directions_with_copy_and_dictionary_beside(test_set: chat.ChatTest) -> None:
    baselines = test_set.described["baselines"]["translation"]
    assert set(baselines) == {"kk-ru", "ru-kk", "kk-en", "en-kk", "ru-en", "en-ru"}
    assert all(set(found) == {"copy", "dictionary"} for found in baselines.values())
    copied = test_set.ask(Parrot())["figures"]["translation"]
    assert {pair: figures["chrf"] for pair, figures in copied.items()} == {pair: found["copy"]["chrf"] for pair, found in baselines.items()}


def test_figures_recomputed_by_other_code(test_set: chat.ChatTest) -> None:
    found = test_set.ask(Parrot())
    rows, figures = found["rows"], found["figures"]
    assert chat.figures(rows) == figures
    for pair, own in figures["translation"].items():
        pairs = [(row["written"], row["references"][0]) for row in rows if row.get("direction") == pair]
        assert own["bleu"] == round(sacrebleu.corpus_bleu([a for a, _ in pairs], [[b for _, b in pairs]]).score, 4)
    assert figures["stop_rate"]["all"] == round(sum(len(row["written"]) < 60 for row in rows) / len(rows), 4)
    for language, own in figures["constraints"].items():
        made = [row for row in rows if row["kind"] == "constraint" and row["asked_in"] == language]
        assert own["obeyed"] == round(sum(constraints.obeyed(row["constraint"], row["written"]) for row in made) / len(made), 4)
    assert set(figures["summaries"]) == set(LANGUAGES) and all(own["rouge1"] > 0 for own in figures["summaries"].values())


def test_the_wanted_language_is_that_of_the_translation_or_the_question(test_set: chat.ChatTest) -> None:
    """A parrot answers translations in the wrong language, and other questions in the right one."""
    rows = test_set.ask(Parrot())["rows"]
    told = [row for row in rows if row["kind"] == "translation" and row["answer_lang"]]
    assert told and all(row["answer_lang"] == row["direction"][:2] != row["lang"] for row in told)
    summaries = [row for row in rows if row["kind"] == "summary"]
    assert summaries and all(row["lang"] == row["asked_in"] for row in summaries)


def test_the_dictionary_never_learns_what_is_asked(tmp_path: Path) -> None:
    measures = ChatMeasures(translation=TRANSLATION, pairs=TRANSLATION, limit=60)
    found = chat.prepare(measures, LANGUAGES, 1).described["baselines"]["translation"]
    assert all(set(baselines) == {"copy"} for baselines in found.values())


def test_nothing_to_ask_and_no_file_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing is asked"):
        chat.prepare(ChatMeasures(), LANGUAGES, 1)
    with pytest.raises(DataError, match="no such file"):
        chat.prepare(ChatMeasures(conversations=str(tmp_path / "none.jsonl")), LANGUAGES, 1)
