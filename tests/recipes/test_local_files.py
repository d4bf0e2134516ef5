"""Files and folders are identified by content, large ones by size and time."""

import os
from pathlib import Path

import pytest

from recipes import local_files
from recipes.loading import load_recipe
from recipes.local_files import MISSING, state


def test_content_decides_not_time(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    (folder / "kk").mkdir(parents=True)
    (folder / "kk" / "a.jsonl").write_text("one")
    before = state(folder)
    os.utime(folder / "kk" / "a.jsonl", (1, 1))
    assert state(folder) == before
    (folder / "kk" / "a.jsonl").write_text("two")
    changed = state(folder)
    assert changed != before
    (folder / "kk" / "a.jsonl").rename(folder / "kk" / "b.jsonl")
    assert state(folder) not in (before, changed)


def test_large_files_go_by_size_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_files, "HASHED_BYTES", 2)
    path = tmp_path / "a"
    path.write_text("one")
    before = state(path)
    monkeypatch.setattr(local_files.manifest, "sha256_file", lambda _: pytest.fail("a large file was read"))
    assert state(path) == before
    os.utime(path, (1, 1))
    assert state(path) != before


def test_a_missing_file_is_no_error(tmp_path: Path) -> None:
    assert state(tmp_path / "none") == MISSING


def test_every_path_of_the_tiny_recipe_is_seen() -> None:
    recipe = load_recipe(Path("recipes/kishi-tiny.yaml"), [])
    seen = local_files.states(recipe, ("data", "eval", "chat"))
    names = ("corpus", "mcq.jsonl", "sft.jsonl", "preference.jsonl", "tools.jsonl", "translation.jsonl", "parallel.jsonl")
    assert set(seen) == {f"data/sample/{name}" for name in names}
    assert set(local_files.states(recipe, ("compared",))) == {f"data/sample/{name}.jsonl" for name in ("sft", "preference", "tools")}
    assert MISSING not in seen.values()
