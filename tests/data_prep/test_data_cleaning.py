"""Cleaning: what must be repaired, what must be left alone, and what holds for any text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.collect import collect
from data_prep.normalise import normalise, repair_encoding
from kishi.errors import DataError
from recipes.schema import Source

_GOOD = b'{"text":"a good line","title":"Title"}\n'
_TEXT = "Қазақстан — үлкен ел. Семья живёт в Алматы, №5."
_PIECES = st.sampled_from(
    ["<p>", "</div>", "<script>", "</script>", "&lt;", "&amp;", "a@b.kz", "+7 701 123 45 67", " | ", "\r\n", "Ð", "\x85"]
)


def _broken(text: str, encoding: str) -> str:
    return "".join(bytes([byte]).decode(encoding, "ignore") or chr(byte) for byte in text.encode())


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=12) | _PIECES, max_size=12).map("".join))
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert "\r" not in once and "\x00" not in once and "\n\n\n" not in once


@given(st.text(alphabet="абвгдеёжзклмнопрстуәғқңөұүһі .,-\n", min_size=1))
def test_plain_cyrillic_is_never_taken_for_mojibake(text: str) -> None:
    assert repair_encoding(text) == text


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "cp1251"])
def test_reversible_mojibake_comes_back(encoding: str) -> None:
    assert _broken(_TEXT, encoding) != _TEXT
    assert normalise(_broken(_TEXT, encoding)) == _TEXT
    assert normalise(f"Таза жол\n{_broken(_TEXT, encoding)}") == f"Таза жол\n{_TEXT}"


def test_personal_data_leaves_its_placeholder() -> None:
    masked = normalise("IIN 900115300123, tel 8 (701) 123-45-67, card 4400 1234 1234 1234, mail a.b@c.kz")
    assert masked == "IIN [iin], tel [phone], card [card], mail [email]"


def test_comparisons_are_not_tags_and_tags_are() -> None:
    assert normalise("if a <b and c> d") == "if a <b and c> d"
    assert normalise('<div class="x">one</div><script>var a;</script><p>two &amp; three</p>') == "one\n\ntwo & three"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"\xff\xfe\n", "not UTF-8"),
        (b'{"text":\n', "not valid JSON"),
        (b'{"text":"a","n":' + b"1" * 5000 + b"}\n", "not valid JSON"),
        (b"[1]\n", "not a JSON object"),
        (b'{"text":"  "}\n', "no text"),
        (b'{"text":"a","title":"\\ud800"}\n', "lone surrogate in title"),
        (b'{"text":"a","id":"\\ud800"}\n', "lone surrogate in id"),
    ],
)
def test_bad_lines_are_quarantined_and_the_rest_is_read(tmp_path, line: bytes, reason: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + _GOOD + line)
    collected = collect((Source(name="s", path=str(path), license="x"),))
    assert [document.text for document in collected.documents] == ["Title\n\na good line"]
    assert [(row["line"], row["file"]) for row in collected.quarantine] == [(2, "a.jsonl")]
    assert collected.quarantine[0]["reason"].startswith(reason)


@pytest.mark.parametrize(("name", "content"), [("a.jsonl", b""), ("a.parquet", b"PAR1junk"), ("a.jsonl.zst", b"junk"), ("a.doc", b"x")])
def test_source_without_a_usable_document_is_an_error(tmp_path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match="source s"):
        collect((Source(name="s", path=str(tmp_path / name), license="x"),))
