"""Figures of a multiple-choice task from its raw rows alone, each with its 95 % interval.

A row is `{"truth": place, "loglikelihoods": [nats a choice], "characters": [length a choice]}`.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import binomtest, bootstrap

_RESAMPLES = 1000


def guess(row: dict[str, Any]) -> int:
    """The choice with the highest log-likelihood; the first of equals."""
    return int(np.argmax(row["loglikelihoods"]))


def normalised_guess(row: dict[str, Any]) -> int:
    """The same a character, so that short choices have no advantage (lm-eval's `acc_norm`)."""
    return int(np.argmax(np.asarray(row["loglikelihoods"]) / np.asarray(row["characters"], dtype=float)))


def summarise(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Accuracy by both guesses, macro-F1, the share of the most frequent guess (1 for a constant answer), and questions with equals."""
    truth, plain = [row["truth"] for row in rows], [guess(row) for row in rows]
    by_character = [normalised_guess(row) for row in rows]
    return {
        "n": len(rows),
        **wilson("acc", [a == b for a, b in zip(truth, plain, strict=True)]),
        **wilson("acc_norm", [a == b for a, b in zip(truth, by_character, strict=True)]),
        "macro_f1": round(macro_f1(truth, plain), 4),
        "macro_f1_interval": _bootstrapped(truth, plain),
        "most_frequent_guess": round(Counter(plain).most_common(1)[0][1] / len(rows), 4),
        "ties": sum(sum(value == max(row["loglikelihoods"]) for value in row["loglikelihoods"]) > 1 for row in rows),
    }


def choice_baselines(questions: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Of (number of choices, right place): guessing, and always saying the most frequent right place."""
    truth = [place for _, place in questions]
    counts = Counter(truth)
    most, times = counts.most_common(1)[0]
    chance = sum(1 / choices for choices, _ in questions) / len(questions)
    by_place = [2 * (count / len(truth)) * chance / (count / len(truth) + chance) for count in counts.values()]
    return {
        "random": round(chance, 4),
        "random_macro_f1": round(sum(by_place) / len(by_place), 4),
        "majority": round(times / len(truth), 4),
        "majority_macro_f1": round(macro_f1(truth, [most] * len(truth)), 4),
    }


def beats_constant(figures: dict[str, Any], baselines: dict[str, Any]) -> bool:
    """Whether accuracy or macro-F1 is above both a constant answer and guessing by more than its 95 % interval."""
    return any(
        figures[f"{figure}_interval"][0] > max(baselines[f"random{ending}"], baselines[f"majority{ending}"])
        for figure, ending in (("acc", ""), ("macro_f1", "_macro_f1"))
    )


def wilson(name: str, hits: Sequence[bool]) -> dict[str, Any]:
    """A share with the Wilson score interval (Wilson 1927), which stays within 0 and 1 for few questions."""
    count = sum(map(bool, hits))
    interval = binomtest(count, len(hits)).proportion_ci(method="wilson")
    return {name: round(count / len(hits), 4), f"{name}_interval": [round(float(interval.low), 4), round(float(interval.high), 4)]}


def mean_interval(values: Sequence[float]) -> list[float]:
    """95 % percentile bootstrap of a mean, always with the same resamples."""
    if len(values) < 2:
        return [0.0, 1.0]
    if len(set(values)) < 2:
        return [round(values[0], 4)] * 2
    found = bootstrap((np.array(values),), np.mean, method="percentile", n_resamples=_RESAMPLES, rng=np.random.default_rng(0))
    return [round(float(found.confidence_interval.low), 4), round(float(found.confidence_interval.high), 4)]


def macro_f1(truth: Any, guesses: Any, axis: int = -1) -> Any:
    """Mean F1 over the places that are right somewhere; along `axis`, as scipy's bootstrap asks for."""
    truth, guesses = np.asarray(truth), np.asarray(guesses)
    scores = []
    for place in range(int(truth.max()) + 1):
        right, said = truth == place, guesses == place
        both, either = (right & said).sum(axis), right.sum(axis) + said.sum(axis)
        scores.append(np.where(right.any(axis), 2 * both / np.maximum(either, 1), np.nan))
    mean = np.nanmean(np.stack(scores), axis=0)
    return float(mean) if mean.ndim == 0 else mean


def _bootstrapped(truth: list[int], guesses: list[int]) -> list[float]:
    """Percentile bootstrap over questions, always with the same resamples."""
    if len(truth) < 2:
        return [0.0, 1.0]
    found = bootstrap(
        (np.array(truth), np.array(guesses)),
        macro_f1,
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=_RESAMPLES,
        rng=np.random.default_rng(0),
    ).confidence_interval
    return [round(float(found.low), 4), round(float(found.high), 4)]
