"""ROUGE for Kazakh, Russian and English.

rouge_score's own tokenizer keeps a-z and digits only, so Cyrillic summaries would all score 0. Here words are those of any script. Kazakh
and Russian words carry many endings, so beside whole words there are words cut to their first five letters (the F5 stemmer that Can and
others 2008 found as good as a morphological one for Turkish) and chrF, which needs no words at all.
"""

import re
from collections.abc import Sequence
from typing import Any

from eval.scores import mean_interval

_STEM = 5


class Words:
    """rouge_score's interface of a tokenizer; `cut`: keep so many letters of each word."""

    def __init__(self, cut: int | None = None) -> None:
        self.cut = cut

    def tokenize(self, text: str) -> list[str]:
        """Small letters, no marks."""
        return [word[: self.cut] for word in re.findall(r"[^\W_]+", text.lower())]


def summarise(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean F-measures of ROUGE-1, -2, -L and -1 over five-letter stems, and corpus chrF2, of `written` against `reference`."""
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu.metrics import CHRF

    scorers = {
        "": RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=Words()),
        "_stems": RougeScorer(["rouge1"], tokenizer=Words(_STEM)),
    }
    figures: dict[str, Any] = {"n": len(rows)}
    for ending, scorer in scorers.items():
        scores = [scorer.score(row["reference"], row["written"]) for row in rows]
        for name in scores[0]:
            values = [score[name].fmeasure for score in scores]
            figures[f"{name}{ending}"] = round(sum(values) / len(values), 4)
            figures[f"{name}{ending}_interval"] = mean_interval(values)
    chrf = CHRF().corpus_score([row["written"] for row in rows], [[row["reference"] for row in rows]])
    return {**figures, "chrf": round(chrf.score, 4)}


def lead(text: str) -> str:
    """The baseline: the first sentence of the text that is to be summarised."""
    return re.split(r"(?<=[.!?…])\s+", text.strip(), maxsplit=1)[0]
