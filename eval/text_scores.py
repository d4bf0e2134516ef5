"""Figures of written answers from raw rows alone: exact match and F1 of reading, the number of a maths answer, chrF and BLEU.

A row is `{"written": text, "references": [text ...]}`; a translation has its `source` too.
"""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from eval.scores import mean_interval, wilson

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_NUMBER = re.compile(r"-?\d+(?:[ \u00a0\u202f]\d{3}(?!\d))*(?:[.,]\d+)*")
_THOUSANDS = re.compile(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_RESAMPLES = 1000  # sacrebleu's own bootstrap over sentences, seed 12345

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
    """Corpus chrF2 and BLEU (0-100) by sacrebleu, with its signatures."""
    from sacrebleu.metrics import BLEU, CHRF

    written, references = [row["written"] for row in rows], [[row["references"][0] for row in rows]]
    figures: dict[str, Any] = {"n": len(rows)}
    for name, metric in (("chrf", CHRF()), ("bleu", BLEU())):
        score = metric.corpus_score(written, references, n_bootstrap=_RESAMPLES)
        signature = str(metric.get_signature())
        found = json.loads(score.format(width=4, is_json=True, signature=signature))
        middle, half = float(found.get("confidence_mean", score.score)), float(found.get("confidence_var", 0.0))
        figures |= {name: round(score.score, 4), f"{name}_interval": [round(middle - half, 4), round(middle + half, 4)]}
        figures[f"{name}_signature"] = signature
    return figures


def baselines(kind: str, documents: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """What needs no reading: another question's answer, one answer to all, and for a translation the source itself."""
    right = [row["references"][0] for row in documents]
    constant = Counter(right).most_common(1)[0][0]
    said = {"random": right[len(right) // 2 :] + right[: len(right) // 2], "constant": [constant] * len(right)}
    if kind == "translation":
        said["copy"] = [row["source"] for row in documents]
    found = {}
    for name, answers in said.items():
        rows = [{"written": answer, "references": row["references"]} for answer, row in zip(answers, documents, strict=True)]
        found[name] = {key: value for key, value in summarise(kind, rows).items() if isinstance(value, float)}
    return found
