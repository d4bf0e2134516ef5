"""The data stage on real sample text and on broken input."""

import json
from pathlib import Path
from typing import Any

import pytest
import zstandard

from data_prep.collect import collect
from data_prep.deduplicate import remove_near
from data_prep.document import Document
from data_prep.prepare import run
from kishi.errors import DataError
from kishi.jsonl import read_rows
from recipes.job import Job
from recipes.loading import load_hardware, load_recipe
from recipes.schema import Source


def _prepare(folder: Path, *overrides: str) -> dict[str, Any]:
    folder.mkdir()
    return run(Job(load_recipe(Path("recipes/kishi-tiny.yaml"), overrides), load_hardware("cpu"), folder, {}))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("data") / "one"
    return folder, _prepare(folder)


def test_same_bytes_again(made: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder, _ = made
    again = tmp_path / "two"
    _prepare(again)
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        assert path.read_bytes() == (again / path.relative_to(folder)).read_bytes(), path.name


def test_mix_and_split(made: tuple[Path, dict[str, Any]]) -> None:
    folder, facts = made
    for tier in ("dirty", "clean"):
        assert facts["mix"][tier] == pytest.approx({"kk": 0.5, "ru": 0.25, "en": 0.25}, abs=0.02)
    held = {row["id"].rsplit("-", 1)[0] for path in folder.glob("heldout/*") for row in read_rows(path)}
    trained = {row["id"].split("~")[0].rsplit("-", 1)[0] for path in folder.glob("corpus/*/*") for row in read_rows(path)}
    assert held and not held & trained, "a held-out topic is trained on"


def test_cleaning_undoes_what_the_corruptor_did(made: tuple[Path, dict[str, Any]]) -> None:
    score = made[1]["cleaning_score"]
    assert all(row["documents"] > 10 and row["left"] == 0 for row in score["faults"].values()), score
    assert score["undamaged"]["wrongly_removed"] == 0


def test_nothing_is_lost_without_a_reason(made: tuple[Path, dict[str, Any]]) -> None:
    folder, facts = made
    removed = list(read_rows(folder / "removed.jsonl.zst"))
    assert all(row["reason"] for row in removed)
    kept = sum(sum(counts.values()) for counts in facts["documents"].values()) + sum(facts["heldout_documents"].values())
    collected = sum(sum(rows[0]["documents"].values()) for rows in facts["funnel"].values())
    assert kept + len(removed) == collected


def _source(path: Path) -> tuple[Source, ...]:
    return (Source(name="s", path=str(path), license="CC0-1.0"),)


def test_bad_lines_are_quarantined_with_their_place(tmp_path: Path) -> None:
    good = json.dumps({"id": "1", "lang": "en", "text": "good\u2028text"}, ensure_ascii=False).encode()
    lines = [good, b"{broken", b"\xff\xfe", b"[1]", b'{"text": ""}', b'{"text": "\\ud800"}', b""]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(lines))
    found = collect(_source(path))
    assert [d.text for d in found.documents] == ["good\u2028text"]
    reasons = ["not valid JSON", "not UTF-8 (byte 0)", "not a JSON object", "no text", "lone surrogate in text"]
    assert [(row["line"], row["reason"]) for row in found.quarantine] == list(enumerate(reasons, 2))


def test_a_cut_off_archive_keeps_what_was_read(tmp_path: Path) -> None:
    import random

    rows = b"".join(json.dumps({"text": "".join(random.choices("abcdef ", k=300))}).encode() + b"\n" for _ in range(3000))
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(zstandard.compress(rows)[:-2000])
    found = collect(_source(path))
    assert found.documents and found.quarantine


@pytest.mark.parametrize("content", [None, b"", b"{broken\n"])
def test_a_source_without_a_document_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"source s"):
        collect(_source(path))


def test_an_impossible_mix_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("".join(json.dumps({"lang": "kk", "text": f"Қысқа мәтін {n} " * 30}) + "\n" for n in range(9)))
    with pytest.raises(DataError, match="no text left in ru, en"):
        _prepare(tmp_path / "out", f"data.sources.0.path={tmp_path / 'in.jsonl'}", "data.corrupt=null", "pretrain.phases.0.tier=clean")


def test_near_duplicates_go_and_others_stay() -> None:
    words = [f"word{n}" for n in range(200)]
    texts = [" ".join(words), " ".join(words[:-4]), " ".join(reversed(words))]
    documents = [Document(str(n), text, "en", "s", "CC0-1.0", "clean", str(n)) for n, text in enumerate(texts)]
    kept, removed = remove_near(documents, 0.7, 1)
    assert ([d.id for d in kept], [r.document.id for r in removed]) == (["0", "2"], ["1"])
