"""Quality limits per language and tier; the first that a document breaks is its reason for removal.

The measures are datatrove's: FineWeb's (line punctuation, repeated lines, lists), Gopher's (arXiv 2112.11446: word length, words with
letters, repeated n-grams). One pass decides both tiers: a clean document that breaks a strict limit but no light one becomes dirty.
"""

from functools import cache
from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.filters import FineWebQualityFilter
from datatrove.pipeline.filters.base_filter import BaseFilter, get_filter_result

from data_prep.document import Words
from data_prep.evidence import CleaningStep, Evidence
from data_prep.gopher import Repetition, WordLimits
from data_prep.lines import lines_fault
from recipes.schema_data import Filters, Limits

# Table A1 of the Gopher paper: (n, share of characters)
_TOP = ((2, 0.20), (3, 0.18), (4, 0.16))
_REPEATED = ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))
_MIN_WORDS = 50
_WORDS = Words()
_REASONS = {
    "line_punct_ratio": "line-punctuation",
    "char_dup_ratio": "duplicate-lines",
    "list_ratio": "new-lines",
    "gopher_above_avg_threshold": "long-words",
    "gopher_below_alpha_threshold": "non-alphabetic",
}


class Quality(CleaningStep):
    """Removes documents below the light limits and settles the tier of the others."""

    name = "filters"

    def __init__(self, work: Path, light: Filters, strict: Filters, promoting: frozenset[str]) -> None:
        super().__init__(work)
        self.light, self.strict, self.promoting = light, strict, promoting

    def apply(self, document: Document, evidence: Evidence) -> Document | None:
        """The document with its final tier."""
        meta = document.metadata
        wants_clean = meta["tier"] == "clean" or meta["origin"] in self.promoting
        fault = broken_limit(document, self.strict.for_language(meta["lang"])) if wants_clean else None
        if wants_clean and not fault:
            meta["tier"] = "clean"
            return document
        if reason := broken_limit(document, self.light.for_language(meta["lang"])):
            evidence.remove(document, reason)
            return None
        if fault and meta["tier"] == "clean":
            demoted = evidence.notes.setdefault("demoted", {})
            demoted[fault] = demoted.get(fault, 0) + 1
        meta["tier"] = "dirty"
        return document


def broken_limit(document: Document, limits: Limits) -> str | None:
    """The reason why the document goes, or None. Lengths are in characters."""
    if len(document.text) < limits.min_characters:
        return "too-short"
    if len(document.text) > limits.max_characters:
        return "too-long"
    if "\ufffd" in document.text:
        return "broken-encoding"
    if reason := lines_fault(document.text, limits):
        return reason
    lines, words, *repetition = _measures(limits.model_dump_json())
    if document.text.count(" ") < _MIN_WORDS:  # in a short text any one n-gram is a large share
        repetition = []
    for measure in (lines, words, *repetition):
        good, reason = get_filter_result(measure.filter(document))
        if not good:
            return _REASONS.get(reason, str(reason).replace("_", "-"))
    return None


@cache
def _measures(limits_json: str) -> tuple[BaseFilter, ...]:
    limits = Limits.model_validate_json(limits_json)
    lines = FineWebQualityFilter(
        line_punct_thr=limits.min_line_punctuation,
        short_line_thr=1.0,
        char_duplicates_ratio=limits.max_duplicate_lines,
        new_line_ratio=limits.max_new_lines,
        language=_WORDS,
    )
    words = WordLimits(
        min_doc_words=1,
        max_doc_words=None,
        min_avg_word_length=None,
        max_avg_word_length=limits.max_mean_word_length,  # type: ignore[arg-type]
        max_symbol_word_ratio=None,
        max_bullet_lines_ratio=None,
        max_ellipsis_lines_ratio=None,
        max_non_alpha_words_ratio=limits.min_alphabetic_words,
        min_stop_words=0,
        language=_WORDS,
    )
    return (lines, words, *([_repetition(limits.repetition)] if limits.repetition else []))


def _repetition(factor: float) -> BaseFilter:
    return Repetition(
        dup_line_frac=None,
        dup_para_frac=None,
        dup_line_char_frac=None,
        dup_para_char_frac=None,
        top_n_grams=tuple((n, share * factor) for n, share in _TOP),
        dup_n_grams=tuple((n, share * factor) for n, share in _REPEATED),
        language=_WORDS,
    )
