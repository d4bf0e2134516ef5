"""Figures of preferences, rewards and checks, each against a value worked out by hand."""

import math

import pytest
import torch

from posttrain.best_of_n import best_against_one, win_rate
from posttrain.length_bias import correlation, length_bias
from posttrain.reward_measures import by_group, calibration, interval, kind_of, report
from posttrain.verifiable import in_language, language_of, make, measure, obeyed, reward_functions, right


def test_length_bias() -> None:
    margin = torch.tensor([2.0, -1.0, 0.0, 1.0])
    chosen, rejected = torch.tensor([10.0, 10.0, 20.0, 40.0]), torch.tensor([10.0, 11.0, 10.0, 20.0])
    found = length_bias(margin, chosen, rejected)
    assert (found["chosen_tokens"], found["rejected_tokens"]) == (20.0, 12.75)
    assert (found["matched_pairs"], found["matched_accuracy"]) == (2, 0.5)  # 10 against 10, and 10 against 11
    assert found["longer_is_chosen"] == 0.625  # a tie, a loss, two wins
    assert found["margin_correlation"] == pytest.approx(float(torch.corrcoef(torch.stack([margin, chosen - rejected]))[0, 1]), abs=1e-4)
    assert correlation(margin, torch.ones(4)) is None


def test_calibration() -> None:
    margins = torch.tensor([math.log(3)] * 3 + [-math.log(3)] + [0.0, 0.0])  # 75 % sure, right three times of four; twice undecided
    found = calibration(margins)
    assert found["error"] == 0.0
    assert [(row["from"], row["to"], row["pairs"], row["confidence"], row["accuracy"]) for row in found["bins"]] == [
        (0.5, 0.6, 2, 0.5, 0.5),
        (0.7, 0.8, 4, 0.75, 0.75),
    ]
    assert calibration(torch.tensor([10.0, -10.0]))["error"] == pytest.approx(0.5, abs=1e-3)  # sure, and right half the time


def test_groups_and_interval() -> None:
    groups = by_group(torch.tensor([1.0, -1.0, 0.0]), ["kk", "ru", "kk"])
    assert groups == {"kk": {"accuracy": 0.75, "pairs": 2}, "ru": {"accuracy": 0.0, "pairs": 1}}
    assert interval(8, 10) == [0.4902, 0.9433]  # Wilson's, worked out by hand
    assert [kind_of(row) for row in ({"why": "rude", "task": "qa"}, {"kind": "wrong language"}, {})] == [
        "rude",
        "wrong language",
        "unknown",
    ]


def test_report_of_pairs() -> None:
    pairs = [{"lang": "kk", "why": "rude"}, {"lang": "en", "why": "rude"}]
    scores, tokens = (torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])), (torch.tensor([5.0, 5.0]), torch.tensor([5.0, 9.0]))
    found = report(pairs, scores, tokens)
    assert (found["accuracy"], found["margin"], found["pairs"]) == (0.5, -0.5, 2)
    assert found["by_language"]["kk"]["accuracy"] == 1 and found["by_kind"] == {"rude": {"accuracy": 0.5, "pairs": 2}}
    assert found["length"]["matched_accuracy"] == 1 and found["length"]["score_correlation"] > 0


def test_best_of_n_and_win_rate() -> None:
    samples = torch.tensor([[0.0, 2.0], [1.0, -1.0]])
    found = best_against_one(samples)
    assert (found["score_one"], found["score_best"], found["better_than_one"]) == (0.5, 1.5, 0.5)
    won = win_rate(torch.tensor([1.0, 0.0, 3.0, 2.0]), torch.tensor([0.0, 1.0, 3.0, 1.0]))
    assert (won["rate"], won["ties"]) == (0.625, 1)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Қыста ауа райы суық болады.", "kk"),
        ("Зимой холодно и много снега.", "ru"),
        ("Winter is cold.", "en"),
        ("42", None),
        ("Да", None),
        ("Winter холодная", None),
        ("今日は寒いです", None),
    ],
)
def test_language_by_letters(text: str, language: str | None) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize(
    ("kind", "wanted", "text", "correct", "form"),
    [
        ("arithmetic", "19", "19", 1, 1),
        ("arithmetic", "19", " 19.\n", 1, 1),
        ("arithmetic", "19", "12 + 7 = 19", 0, 0),  # three numbers
        ("arithmetic", "19", "It is 19", 1, 0),
        ("arithmetic", "19", "20", 0, 1),
        ("arithmetic", "19", "", 0, 0),
        ("format", "2", "1. алма\n2. алмұрт", None, 1),
        ("format", "2", "1) apple\n\n2) pear", None, 0),
        ("format", "2", "1. apple\n2. pear\n3. plum", None, 0),
        ("format", "2", "Sure:\n1. apple\n2. pear", None, 0),
        ("format", "2", "2. apple\n1. pear", None, 0),
        ("language", "kk", "Суық", None, None),
    ],
)
def test_checks(kind: str, wanted: str, text: str, correct: float | None, form: float | None) -> None:
    assert (right(kind, wanted, text), obeyed(kind, wanted, text)) == (correct, form)


def test_answers_in_another_language_are_seen() -> None:
    assert in_language("language", "ru", "Зимой холодно.") == 1 and in_language("language", "en", "Зимой холодно.") == 0
    assert in_language("arithmetic", "19", "19") is None


def test_tasks_are_seeded_and_kept_apart() -> None:
    kinds, languages = ("arithmetic", "format", "language"), ("kk", "ru", "en")
    heldout = make(kinds, languages, 30, seed=1)
    train = make(kinds, languages, 90, seed=2, leave_out=heldout)
    assert heldout == make(kinds, languages, 30, seed=1) and len({task.prompt for task in train}) == 90
    assert not {task.prompt for task in train} & {task.prompt for task in heldout}
    assert {(task.kind, task.lang) for task in heldout} == {(kind, language) for kind in kinds for language in languages}
    sums = [task for task in train if task.kind == "arithmetic"]
    assert all(sum(int(n) for n in "".join(c if c.isdigit() else " " for c in task.prompt).split()) == int(task.wanted) for task in sums)


def test_reward_functions_as_the_trainer_calls_them() -> None:
    columns = {"kind": ["arithmetic", "format"], "wanted": ["3", "2"], "lang": ["en", "en"], "prompts": [[], []], "trainer_state": None}
    completions = [[{"role": "assistant", "content": text}] for text in ("3", "no list")]
    rewards = {f.__name__: f(completions=completions, completion_ids=[[7, 3], [7, 0]], **columns) for f in reward_functions(turn_end=3)}
    assert rewards == {"right": [1.0, None], "obeyed": [1.0, 0.0], "in_language": [None, None], "ended": [1.0, 0.0]}


def test_checks_of_a_model() -> None:
    tasks = make(("arithmetic",), ("en",), 2, seed=1)
    found = measure(tasks, [tasks[0].wanted, "no"], [True, False])
    assert found == {"ended": 0.5, "right": 0.5, "obeyed": 0.5}
