"""Limits: what each catches and what it leaves; the quick measures give datatrove's verdicts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from datatrove.data import Document
from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter

from data_prep.document import Words
from data_prep.gopher import Repetition, WordLimits
from data_prep.lines import lines_fault
from kishi.jsonl import read_rows
from recipes.schema_data import Limits

PROSE = [row["text"] for path in sorted(Path("data/sample/corpus").glob("*.jsonl")) for row in read_rows(path)]
LIMITS = Limits(max_labels=0.3, max_lower_case=0.7)
LABELS = "\n".join(["Файл", "Түзету", "Көрініс", "Бетбелгілер", "Құралдар", "Анықтама", "Бас тарту", "Жаңа терезе", "Шығу", "Баптау"])
POEM = "\n".join(["Қараңғы түнде тау қалғып,", "Ұйқыға кетер балбырап.", "Даланы жым-жырт, дел-сал қып,", "Түн басады салбырап."] * 3)
HEADLINES = "\n".join(f"2015 жылдың {n} тамызы Үкіметте өткен отырыста экономиканың даму мәсе…" for n in range(6))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (LABELS, "labels"),
        (LABELS.split("\n", 6)[-1], None),  # a few short lines are a heading or a list
        (POEM, None),
        (HEADLINES, "ellipsis-lines"),
        ("{ -brand } ашу. %1 файл { $name } жерінен табылмады. %s", "placeholders"),
        ("Баға 5 % өсті, яғни 100 доллар тұрады: {көп}.", None),
        ("үкімет жиналды. министр сөйледі. баға өсті. халық қуанды. жиын бітті. бәрі кетті. күн батты.", "lower-case"),
        ("Үкімет жиналды. Министр сөйледі. Баға өсті, т.б. Халық қуанды. Жиын бітті. Бәрі кетті. Күн батты.", None),
    ],
)
def test_lines(text: str, fault: str | None) -> None:
    assert lines_fault(text, LIMITS) == fault


def test_ordinary_text_breaks_no_limit_on_lines() -> None:
    assert [text for text in PROSE if lines_fault(text, LIMITS)] == []


def _documents() -> Iterator[Document]:
    for number, text in enumerate(PROSE[::3]):
        words = text.split()
        yield Document(text, f"{number}")
        yield Document(" ".join(words[:60] * (1 + number % 3) + words[: number % 50]), f"{number} repeats")
        yield Document(" ".join(word if place % 5 else f"{place}," for place, word in enumerate(words)), f"{number} numbers")
    yield Document("", "empty")
    yield Document("- , .", "punctuation alone")


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
def test_repetition_is_datatroves(factor: float) -> None:
    limits = {
        "dup_line_frac": None,
        "dup_para_frac": None,
        "dup_line_char_frac": None,
        "dup_para_char_frac": None,
        "top_n_grams": tuple((n, share * factor) for n, share in ((2, 0.20), (3, 0.18), (4, 0.16))),
        "dup_n_grams": tuple((n, share * factor) for n, share in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.10))),
        "language": Words(),
    }
    documents = list(_documents())
    ours, theirs = Repetition(**limits), GopherRepetitionFilter(**limits)
    verdicts = [theirs.filter(document) for document in documents]
    assert [ours.filter(document) for document in documents] == verdicts
    assert sum(verdict is True for verdict in verdicts) > 50 and sum(verdict is not True for verdict in verdicts) > 50


@pytest.mark.parametrize(("length", "share"), [(12.0, 0.7), (6.5, 0.9)])
def test_word_limits_are_datatroves(length: float, share: float) -> None:
    limits = {
        "min_doc_words": 1,
        "max_doc_words": None,
        "min_avg_word_length": None,
        "max_avg_word_length": length,
        "max_symbol_word_ratio": None,
        "max_bullet_lines_ratio": None,
        "max_ellipsis_lines_ratio": None,
        "max_non_alpha_words_ratio": share,
        "min_stop_words": 0,
        "language": Words(),
    }
    documents = [document for document in _documents() if document.text]
    ours, theirs = WordLimits(**limits), GopherQualityFilter(**limits)
    verdicts = [theirs.filter(document) for document in documents]
    assert [ours.filter(document) for document in documents] == verdicts
    assert any(verdict is True for verdict in verdicts) and any(verdict is not True for verdict in verdicts)
