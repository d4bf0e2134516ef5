"""What is measured while training: which documents and questions, and what is counted of them."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from kishi.errors import ArtefactError, DataError
from kishi.jsonl import read_rows
from recipes.loading import load_recipe
from train.evaluate import load_documents
from train.multiple_choice import MultipleChoice, chosen_questions

TINY = Path("recipes/kishi-tiny.yaml")


@pytest.fixture(scope="module")
def tokenizer(prepared: Path) -> Tokenizer:
    return Tokenizer.from_file(str(prepared / "kishi-tiny" / "tokenizer" / "tokenizer.json"))


def test_all_held_out_documents_have_the_bytes_of_their_text(prepared: Path, tokenizer: Tokenizer) -> None:
    run = prepared / "kishi-tiny"
    counts, found = json.loads((run / "index" / "heldout.json").read_bytes()), load_documents(run / "index", tokenizer, 128, 1000)
    assert set(found) == {"clean", "dirty"} and set(found["dirty"]) == {"kk", "ru", "en"}
    for tier, languages in found.items():
        for language, documents in languages.items():
            assert documents.bytes == counts[tier][language]["bytes"]
            assert (
                sum(window.scored for window in documents.windows) == counts[tier][language]["tokens"] - counts[tier][language]["documents"]
            )


def test_a_limit_takes_documents_from_everywhere(prepared: Path, tokenizer: Tokenizer) -> None:
    run = prepared / "kishi-tiny"
    texts = [row["text"] for row in read_rows(run / "data" / "heldout" / "kk.jsonl.zst")]
    two = load_documents(run / "index", tokenizer, 128, 2)["clean"]["kk"]
    assert two.bytes == sum(len(texts[place].encode()) for place in (0, len(texts) // 2))


def test_an_index_of_an_older_version_is_refused(tmp_path: Path, tokenizer: Tokenizer) -> None:
    (tmp_path / "heldout.json").write_text(json.dumps({"kk": {"bytes": 1, "documents": 1, "tokens": 1}}))
    with pytest.raises(ArtefactError, match="before the tiers were held out apart"):
        load_documents(tmp_path, tokenizer, 128, 1)


def test_the_likeliest_choice_is_the_answer(tokenizer: Tokenizer) -> None:
    recipe = load_recipe(TINY, ["pretrain.questions=12"])
    choices = MultipleChoice(recipe, tokenizer)
    questions = [question for asked in choices.asked.values() for question in asked]
    right = [float(place != question.answer) for question in questions for place in range(len(question.choices))]
    for row in choices.figures(lambda cut: right).values():
        assert (row["acc"], row["acc_norm"], row["n"], row["random"]) == (1.0, 1.0, 12, 0.25)
    for name, row in choices.figures(lambda cut: [0.0] * len(cut)).items():  # all alike: the first
        assert row["acc"] == round(sum(question.answer == 0 for question in choices.asked[name]) / 12, 4)


def test_a_window_scores_the_choice_alone_and_loses_the_beginning(tokenizer: Tokenizer) -> None:
    seen = []
    recipe = load_recipe(TINY, ["pretrain.questions=1", "pretrain.sequence_length=24"])
    choices = MultipleChoice(recipe, tokenizer)
    choices.figures(lambda cut: [seen.append(window) or 0.0 for window in cut])
    words = [f" {choice}" for asked in choices.asked.values() for question in asked for choice in question.choices]
    assert len(seen) == len(words) == 12
    for window, choice in zip(seen, words, strict=True):
        assert len(window.tokens) <= 25 and tokenizer.decode(window.tokens[-window.scored :]) == choice


def test_no_questions_and_unreadable_questions() -> None:
    assert chosen_questions(load_recipe(TINY, ["pretrain.questions=0"])) == {}
    with pytest.raises(DataError, match="no such file"):
        chosen_questions(load_recipe(TINY, ["eval.tasks.0.path=nowhere.jsonl"]))
