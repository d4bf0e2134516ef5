"""Language identification (`kishi/identification.py`), line by line.

A document's language is what its source says, else what most of its text is in. Lines that surely are in another language are cut
and kept as evidence; the document goes only when nothing of its language is left, or when it is in none of the recipe's languages.
A whole document is judged more sharply than a line: kin of Kazakh that heliport's model lacks (Turkmen in Cyrillic, Tuvan) are near it
line by line, but of 800 real Kazakh documents each was nearest to Kazakh.
"""

from collections import Counter
from itertools import pairwise
from pathlib import Path

from datatrove.data import Document

from data_prep.evidence import CleaningStep, Evidence
from kishi.identification import CYRILLIC, CYRILLIC_LETTER, can_be_told, identify, is_foreign, judge
from recipes.schema_data import Filters

_WHOLE, _ENOUGH = 250, 5000  # characters: from where on a document is judged as a whole, and how much of it is asked


class Identify(CleaningStep):
    """Sets `lang`, cuts lines of other languages, removes documents of other languages."""

    name = "language"

    def __init__(self, work: Path, languages: tuple[str, ...], light: Filters) -> None:
        super().__init__(work)
        self.languages = languages
        self.light = light

    def apply(self, document: Document, evidence: Evidence) -> Document | None:
        """The document in one language."""
        lines = document.text.split("\n")
        lang = document.metadata["lang"] or self._main_language(lines, document.text)
        if lang not in self.languages:
            evidence.remove(document, f"language-{lang}")
            return None
        document.metadata["lang"] = lang
        limits = self.light.for_language(lang)
        judged = [judge(line, lang, limits.language_margin) for line in lines]
        if found := self._other_language(document.text, lines, judged, lang):
            evidence.remove(document, f"language-{found}")
            return None
        foreign = [None if code == lang else code for code in judged]
        if any(foreign):
            self._cut(document, lines, _spread(lines, foreign, lang), evidence)
        return document

    def _other_language(self, text: str, lines: list[str], judged: list[str | None], own: str) -> str | None:
        """The language of a document that is not in its own."""
        size = Counter[str]()
        for line, code in zip(lines, judged, strict=True):
            size[code or ""] += len(line)
        limits = self.light.for_language(own)
        if size[own] < limits.min_characters:
            del size[""]
            if size and 2 * (sum(size.values()) - size[own]) > len(text):
                return size.most_common(1)[0][0]
            return is_foreign(text, own, limits.language_margin)
        if len(text) >= _WHOLE and (whole := is_foreign(text[:_ENOUGH], own, limits.document_margin)) not in self.languages:
            return whole
        return None

    def _main_language(self, lines: list[str], text: str) -> str:
        size = Counter[str]()
        for line in lines:
            if can_be_told(line) and (best := next(iter(identify(line)))) in self.languages:
                size[best] += len(line)
        return size.most_common(1)[0][0] if size else next(iter(identify(text)), "")

    def _cut(self, document: Document, lines: list[str], foreign: list[str | None], evidence: Evidence) -> None:
        for line, code in zip(lines, foreign, strict=True):
            if code and line.strip():
                evidence.cut(document, f"line-language-{code}", line)
        document.text = "\n".join(line for line, code in zip(lines, foreign, strict=True) if not code).strip()


def _spread(lines: list[str], foreign: list[str | None], own: str) -> list[str | None]:
    """Short lines between two foreign ones go with them, unless they are in the document's own script: headings, code, list items."""
    told = [place for place, (line, code) in enumerate(zip(lines, foreign, strict=True)) if code or can_be_told(line)]
    result = list(foreign)
    for before, after in pairwise(told):
        if foreign[before] and foreign[after]:
            for place in range(before + 1, after):
                if not _has_own_script(lines[place], own):
                    result[place] = "between"
    return result


def _has_own_script(line: str, own: str) -> bool:
    cyrillic = CYRILLIC_LETTER.search(line) is not None
    return cyrillic if own in CYRILLIC else not cyrillic and any(map(str.isalpha, line))
