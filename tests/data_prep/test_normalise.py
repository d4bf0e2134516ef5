"""Cleaning repairs what is broken and leaves good text alone."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.normalise import normalise
from kishi.jsonl import read_rows

KAZAKH = "Ән айтқан қыз — Әсем. Ғылым, өнер, үміт, ұлт, іні, һәм таң."


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=80))
def test_twice_is_once(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        (KAZAKH.encode().decode("latin-1"), KAZAKH),
        ("<p class='a'>Сәлем &amp; қош</p><script>x</script>", "Сәлем & қош"),
        ("и\u0306", "й"),
        ("a\x00b\u200bc\r\nd", "abc\nd"),
        ("Хат: aigul@example.kz", "Хат: [email]"),
        ("Тел +7 701 123 45 67.", "Тел [phone]."),
        ("ИИН 900515123456", "ИИН [iin]"),
        ("4400 1234 5678 9012", "[card]"),
        ("Басты бет | Жаңалықтар | Байланыс\nМәтін", "Мәтін"),
    ],
)
def test_faults_are_mended(dirty: str, clean: str) -> None:
    assert normalise(dirty) == clean


def test_sample_text_is_left_alone() -> None:
    for path in sorted(Path("data/sample/corpus").glob("*.jsonl")):
        for row in read_rows(path):
            assert normalise(row["text"]) == row["text"].strip(), row["id"]
