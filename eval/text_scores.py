"""Figures of written answers from raw rows alone: exact match and F1 of reading, the number of a maths answer, chrF and BLEU.

A row is `{"written": text, "references": [text ...]}`; a translation has its `source` too.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from eval.scores import mean_interval, wilson

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_NUMBER = re.compile(r"-?\d+(?:[ \u00a0\u202f]\d{3}(?!\d))*(?:[.,]\d+)*")
_THOUSANDS = re.compile(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_RESAMPLES = 1000

Row = dict[str, Any]


def words(text: str) -> list[str]:
    """SQuAD's normalisation (Rajpurkar 2016) for any script: small letters, no punctuation, no English articles."""
    plain = "".join(" " if unicodedata.category(letter)[0] in "PS" else letter for letter in text.lower())
    return _ARTICLES.sub(" ", plain).split()


def exact_match(written: str, references: Sequence[str]) -> float:
    """1 when the words are those of a reference."""
    return float(any(words(written) == words(reference) for reference in references))


def f1(written: str, references: Sequence[str]) -> float:
    """Of words, with the best reference."""
    return max(_f1(words(written), words(reference)) for reference in references)


def _f1(said: list[str], right: list[str]) -> float:
    both = sum((Counter(said) & Counter(right)).values())
    return 2 * both / (len(said) + len(right)) if both else float(not said and not right)


def last_number(text: str) -> str:
    """The last number in the text in plain digits, or "". `1,000` and `1 000` are a thousand, `0,5` and `0.50` a half."""
    found = _NUMBER.findall(text)
    if not found:
        return ""
    number = re.sub(r"\s", "", found[-1])
    number = number.replace(",", "") if _THOUSANDS.fullmatch(number) else number.replace(",", ".")
    if number.count(".") > 1:  # a date or a version
        return number
    return format(Decimal(number).normalize(), "f")


def summarise(kind: str, rows: Sequence[Row]) -> dict[str, Any]:
    """Figures of a task of this kind, each with its 95 % interval."""
    if kind == "translation":
        return translation(rows)
    if kind == "maths":
        return {"n": len(rows), **wilson("exact_match", [last_number(row["written"]) == row["references"][0] for row in rows])}
    scores = [f1(row["written"], row["references"]) for row in rows]
    matches = [exact_match(row["written"], row["references"]) == 1 for row in rows]
    interval = mean_interval(scores)
    return {"n": len(rows), "f1": round(sum(scores) / len(scores), 4), "f1_interval": interval, **wilson("exact_match", matches)}


MAIN = {"translation": "chrf", "maths": "exact_match", "reading": "f1"}  # the figure that is compared with the baselines


def translation(rows: Sequence[Row]) -> dict[str, Any]:
    """Corpus chrF2 and BLEU (0-100) by sacrebleu, with its signatures, and percentile bootstrap intervals over sentences."""
    from sacrebleu.metrics import BLEU, CHRF

    written, references = [row["written"] for row in rows], [[row["references"][0] for row in rows]]
    figures: dict[str, Any] = {"n": len(rows)}
    for name, metric in (("chrf", CHRF()), ("bleu", BLEU())):
        figures[name] = round(float(metric.corpus_score(written, references).score), 4)
        figures[f"{name}_interval"] = _resampled(metric, written, references)
        figures[f"{name}_signature"] = str(metric.get_signature())
    return figures


def _resampled(metric: Any, written: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    """sacrebleu's own bootstrap fails where some resamples score exactly 0, as those of an untrained model do."""
    counts = np.asarray(metric._extract_corpus_statistics(written, references), dtype=np.float64)
    places = np.random.default_rng(0).integers(len(counts), size=(_RESAMPLES, len(counts)))
    scores = [float(metric._compute_score_from_stats(counts[chosen].sum(0).tolist()).score) for chosen in places]
    return [round(float(value), 4) for value in np.percentile(scores, [2.5, 97.5])]


def baselines(kind: str, documents: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """What needs no reading: another question's answer, one answer to all, and for a translation the source itself."""
    right = [row["references"][0] for row in documents]
    constant = Counter(right).most_common(1)[0][0]
    said = {"random": right[len(right) // 2 :] + right[: len(right) // 2], "constant": [constant] * len(right)}
    if kind == "translation":
        said["copy"] = [row["source"] for row in documents]
    found = {}
    for name, answers in said.items():
        rows: list[Row] = [{"written": answer, "references": row["references"]} for answer, row in zip(answers, documents, strict=True)]
        found[name] = {key: value for key, value in summarise(kind, rows).items() if isinstance(value, float)}
    return found
