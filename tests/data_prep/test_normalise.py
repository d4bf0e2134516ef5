"""Cleaning repairs what is broken and leaves good text alone."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.normalise import normalise, repair_encoding
from kishi.jsonl import read_rows

KAZAKH = "Ән айтқан қыз — Әсем. Ғылым, өнер, үміт, ұлт, іні, һәм таң."


@settings(deadline=None)
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
        ("4400 4301 7745 3212", "4400 4301 7745 3212"),
        ("Басты бет | Жаңалықтар | Байланыс\nМәтін", "Мәтін"),
        ("---\ntitle: Тақырып\nauthor: a\n---\n# Тақырып\n\n[!INCLUDE [banner](b.md)]\nМәтін.", "# Тақырып\n\nМәтін."),
        ("if a <b and c> d", "if a <b and c> d"),
        ("a | b | c\n1 | 2 | 3", "a | b | c\n1 | 2 | 3"),  # a table, not navigation
        ("Қaзaқстaн тiлі", "Қазақстан тілі"),  # Latin letters inside
        ("Windows-те, COVID пен IT", "Windows-те, COVID пен IT"),
    ],
)
def test_faults_are_mended(dirty: str, clean: str) -> None:
    assert normalise(dirty) == clean


_PIECES = st.sampled_from(
    ["<p>", "</div>", "<script>", "</script>", "&lt;", "&amp;", "a@b.kz", "+7 701 123 45 67", " | ", "\r\n", "Ð", "\x85"]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=12) | _PIECES, max_size=12).map("".join))
def test_twice_is_once_for_broken_markup(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert "\r" not in once and "\x00" not in once and "\n\n\n" not in once


@settings(deadline=None)
@given(st.text(alphabet="абвгдеёжзклмнопрстуәғқңөұүһі .,-\n", min_size=1))
def test_plain_cyrillic_is_never_taken_for_mojibake(text: str) -> None:
    assert repair_encoding(text) == text


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "cp1251"])
def test_reversible_mojibake_comes_back(encoding: str) -> None:
    text = "Қазақстан — үлкен ел. Семья живёт в Алматы, №5."
    broken = "".join(bytes([byte]).decode(encoding, "ignore") or chr(byte) for byte in text.encode())
    assert broken != text and normalise(broken) == text and normalise(f"Таза жол\n{broken}") == f"Таза жол\n{text}"


def test_boilerplate_lines_are_handed_over() -> None:
    dropped: list[str] = []
    assert normalise("Text.\nAll rights reserved © 2024", dropped.append) == "Text." and dropped == ["All rights reserved © 2024"]


def test_sample_text_is_left_alone() -> None:
    for path in sorted(Path("data/sample/corpus").glob("*.jsonl")):
        for row in read_rows(path):
            assert normalise(row["text"]) == row["text"].strip(), row["id"]


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        (
            "Қазақстан Республикасының тəуелсіздігі, Əскери қызмет, уəкілетті орган",
            "Қазақстан Республикасының тәуелсіздігі, Әскери қызмет, уәкілетті орган",
        ),
        ("Azərbaycan dili", "Azərbaycan dili"),  # Latin words keep theirs
        ("есеп‑шот", "есеп-шот"),
        (
            'баға 5,1 % -ке , қызмет ( көлік ) 4 % -ке өсті , " - деді министр .',
            'баға 5,1 %-ке, қызмет (көлік) 4 %-ке өсті, " - деді министр.',
        ),
        ("bread , butter and jam", "bread, butter and jam"),
        ("one, two , three, four", "one, two , three, four"),  # one slip is no tokenised text
        (":::image type=x:::\n> [!NOTE]\n> Text.\n>", "> Text."),
    ],
)
def test_letters_and_spaces_as_writers_put_them(dirty: str, clean: str) -> None:
    assert normalise(dirty) == clean
