"""JSON Lines: real text comes back, equal rows give equal bytes."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from kishi.jsonl import append_row, read_rows, write_rows


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"])), max_size=8), st.sampled_from(["a.jsonl", "a.jsonl.zst"]))
def test_round_trip_and_equal_bytes(texts: list[str], name: str) -> None:
    rows = [{"text": text} for text in texts]
    with tempfile.TemporaryDirectory() as folder:
        one, two = Path(folder) / name, Path(folder) / f"b{name}"
        assert write_rows(one, rows) == write_rows(two, rows) == len(rows)
        assert list(read_rows(one)) == rows
        assert one.read_bytes() == two.read_bytes()
        assert not list(Path(folder).glob("*.partial"))


def test_append(tmp_path: Path) -> None:
    append_row(tmp_path / "m.jsonl", {"step": 1})
    append_row(tmp_path / "m.jsonl", {"step": 2})
    assert [row["step"] for row in read_rows(tmp_path / "m.jsonl")] == [1, 2]
