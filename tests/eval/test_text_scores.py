"""Figures of written answers against other code and against what was worked out by hand."""

from typing import Any

import pytest
import sacrebleu

from eval import summaries, text_scores
from eval.dictionary import Dictionary
from eval.scores import beats_constant, choice_baselines, summarise

PAIRS = [("Мысық төсеніште отыр.", "Мысық төсеніште ұйықтап жатыр."), ("Дала кең.", "Дала кең екен."), ("жоқ", "Жел соғып тұр.")]


def test_chrf_and_bleu_are_sacrebleus_to_the_last_digit() -> None:
    found = text_scores.translation([{"written": written, "references": [right]} for written, right in PAIRS])
    written, right = [pair[0] for pair in PAIRS], [[pair[1] for pair in PAIRS]]
    assert found["chrf"] == round(sacrebleu.corpus_chrf(written, right).score, 4)
    assert found["bleu"] == round(sacrebleu.corpus_bleu(written, right).score, 4)
    assert found["chrf_interval"][0] < found["chrf"] < found["chrf_interval"][1]


def test_an_empty_and_a_perfect_translation() -> None:
    for written, score in (("", 0.0), ("Дала кең екен.", 100.0)):
        found = text_scores.translation([{"written": written, "references": ["Дала кең екен."]}] * 3)
        assert (found["chrf"], found["chrf_interval"]) == (score, [score, score])


@pytest.mark.parametrize(
    ("written", "references", "f1", "exact"),
    [
        ("The Abai!", ["abai"], 1.0, 1.0),
        ("«Абай Құнанбайұлы»", ["Абай"], 2 / 3, 0.0),
        ("in Almaty in 1986", ["1986", "Almaty 1986"], 2 * 2 / (4 + 2), 0.0),
        ("", ["Абай"], 0.0, 0.0),
    ],
)
def test_reading_as_squad_counts_it(written: str, references: list[str], f1: float, exact: float) -> None:
    assert text_scores.f1(written, references) == pytest.approx(f1)
    assert text_scores.exact_match(written, references) == exact


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("8 + 10 = 18. The answer is $18.", "18"),
        ("барлығы 1 250 теңге", "1250"),
        ("1,000 dollars", "1000"),
        ("0,50", "0.5"),
        ("-3.0", "-3"),
        ("5 10 20", "20"),
        ("жоқ", ""),
        ("1000000", "1000000"),
    ],
)
def test_the_last_number(text: str, number: str) -> None:
    assert text_scores.last_number(text) == number


def test_rouge_of_cyrillic_against_longest_common_subsequences_by_hand() -> None:
    row = {"reference": "Қала мэрі жаңа саябақты ашты", "written": "Қала әкімі жаңа саябақ ашты"}
    found = summaries.summarise([row])
    assert found["rouge1"] == found["rougeL"] == round(3 / 5, 4)  # қала, жаңа, ашты
    assert found["rouge2"] == 0.0
    assert found["rouge1_stems"] == round(4 / 5, 4)  # саяба
    assert summaries.lead("Бірінші сөйлем. Екінші.") == "Бірінші сөйлем."


def test_a_dictionary_learns_words_but_not_their_order() -> None:
    pairs = [("ақ ат", "белый конь"), ("қара ат", "черный конь"), ("ақ үй", "белый дом"), ("қара үй", "черный дом")]
    assert Dictionary(pairs).translate("Қара ат, жаңа үй.") == "Черный конь, жаңа дом."


def _rows(truth: list[int], guesses: list[int]) -> list[dict[str, Any]]:
    return [
        {"truth": right, "loglikelihoods": [float(place == said) for place in range(4)], "characters": [1] * 4}
        for right, said in zip(truth, guesses, strict=True)
    ]


def test_a_constant_answer_is_marked_and_a_good_one_is_not() -> None:
    truth = ([0] * 6 + [1, 2, 3] * 2) * 5  # the first place is right half of the time
    baselines = choice_baselines([(4, place) for place in truth])
    assert baselines["majority"] == 0.5
    assert not beats_constant(summarise(_rows(truth, [0] * 60)), baselines)
    chance = [(number * 7 + number // 5) % 4 for number in range(60)]
    assert not beats_constant(summarise(_rows(truth, chance)), baselines)
    good = [place if number % 5 else 3 for number, place in enumerate(truth)]
    assert beats_constant(summarise(_rows(truth, good)), baselines)


def test_equal_log_likelihoods_are_counted() -> None:
    rows = [{"truth": 0, "loglikelihoods": [-1.0, -1.0], "characters": [1, 1]}] * 3
    assert summarise(rows)["ties"] == 3
