"""Each constraint: an answer that obeys it, one that nearly does, in three languages; what is made is the same for one seed."""

from typing import Any

import pytest

from eval.answer_language import language_of
from eval.constraints import CONSTANT, KINDS, make, obeyed, sentences

CASES: list[tuple[dict[str, Any], str, str]] = [
    ({"kind": "sentences", "n": 2}, "Күз келді. Жапырақ түсті!", "Күз келді, жапырақ түсті."),
    ({"kind": "sentences", "n": 1}, "Темно, 3.5 градуса", "Темно. Холодно."),
    ({"kind": "most_words", "n": 3}, "Бүгін күн жылы.", "Бүгін күн өте жылы."),
    ({"kind": "least_words", "n": 3}, "one two three", "one two"),
    ({"kind": "includes", "word": "дос"}, "Кітап — дос.", "Кітап — достық."),
    ({"kind": "lower_case"}, "осень пришла.", "Осень пришла."),
    ({"kind": "json", "word": "жарық"}, '{"жарық": 1}', 'Міне: {"жарық": 1}'),
    ({"kind": "numbered", "n": 2}, "1. Шай\n2) Сүт", "1. Шай\n3. Сүт"),
    ({"kind": "language", "language": "kk"}, "Күзде жапырақтар сарғайып түседі.", "Осенью листья желтеют и падают."),
    ({"kind": "begins", "word": "Конечно"}, "Конечно, расскажу.", "Да, конечно."),
    ({"kind": "ends", "word": "That is all."}, "Tea is warm. That is all.", "That is all. Tea is warm."),
]


@pytest.mark.parametrize(("constraint", "good", "bad"), CASES)
def test_obeyed_and_nearly(constraint: dict[str, Any], good: str, bad: str) -> None:
    assert obeyed(constraint, good) and not obeyed(constraint, bad) and not obeyed(constraint, "  ")


def test_every_kind_has_a_case_and_every_question_can_be_asked() -> None:
    assert {case[0]["kind"] for case in CASES} == set(KINDS)
    for language in ("kk", "ru", "en"):
        made = make(language, 2 * len(KINDS), seed=5)
        assert made == make(language, 2 * len(KINDS), seed=5) != make(language, 2 * len(KINDS), seed=6)
        assert {row["constraint"]["kind"] for row in made} == set(KINDS) and len({row["id"] for row in made}) == len(made)
        assert all("{" not in row["prompt"] and str(row["constraint"].get("n", "")) in row["prompt"] for row in made)
        hits = sum(obeyed(row["constraint"], CONSTANT[language]) for row in made)
        assert hits <= len(made) / 3  # one answer to all obeys few


def test_sentences_of_speech_and_dots() -> None:
    assert sentences("«Кел!» деді ол. Мен бардым…") == 3  # the quoted sentence is one
    assert sentences("Версия 2.5 вышла") == 1 and sentences("...") == 0


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Көлдің беті қатып қалыпты, балалар коньки тебіп жүр.", "kk"),
        ("Озеро уже замерзло, и дети катаются на коньках.", "ru"),
        ("The lake has frozen over, and the children are skating.", "en"),
        ("Иә.", None),
    ],
)
def test_language_of_an_answer(text: str, language: str | None) -> None:
    assert language_of(text) == language
