"""Forms in processes of their own, and held-out text up to a bound."""

import os
from functools import partial
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from eval import held_out, side_by_side
from kishi.errors import ArtefactError
from kishi.jsonl import write_rows
from recipes.hardware import Hardware

HARDWARE = Hardware(device="cpu", micro_batch_size=1, precision="fp32")


def _who(name: str) -> tuple[str, int]:
    return name, os.getpid()


def _fail() -> tuple[str, int]:
    raise ArtefactError("is damaged", where="a file", fix="make it again")


def test_files_run_elsewhere_and_folders_here() -> None:
    found = side_by_side.run({"folder": partial(_who, "folder")}, {"a": partial(_who, "a"), "b": partial(_who, "b")}, 2, "ask")
    assert {name: value[0] for name, value in found.items()} == {"folder": "folder", "a": "a", "b": "b"}
    assert found["folder"][1] == os.getpid() != found["a"][1]
    alone = side_by_side.run({}, {"a": partial(_who, "a")}, 1, "ask")
    assert alone == {"a": ("a", os.getpid())}


def test_an_error_elsewhere_arrives_whole() -> None:
    with pytest.raises(ArtefactError, match="is damaged") as caught:
        side_by_side.run({}, {"a": _fail}, 2, "ask")
    assert (caught.value.where, caught.value.fix) == ("a file", "make it again")


def test_cores_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(32)))
    many = HARDWARE.model_copy(update={"cpu_workers": 9})
    assert side_by_side.shared_out(HARDWARE, 9) == (1, HARDWARE)
    assert [(workers, hardware.threads) for workers, hardware in [side_by_side.shared_out(many, 9)]] == [(9, 3)]
    assert side_by_side.shared_out(many, 4)[1].threads == 8
    assert side_by_side.shared_out(many.model_copy(update={"threads": 4}), 9)[1].threads == 1


def test_held_out_text_is_bounded_by_whole_documents(tmp_path: Path) -> None:
    tokenizer = _words()
    write_rows(tmp_path / "heldout/kk.jsonl.zst", [{"text": text} for text in ("a b c", "a b", "a b c d", "a")])
    counts = {most: len(held_out.load(tmp_path, tokenizer, ("kk",), most)["kk"].texts) for most in (None, 1, 3, 4, 5, 100)}
    assert counts == {None: 4, 1: 1, 3: 1, 4: 2, 5: 2, 100: 4}


def _words() -> Tokenizer:
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    tokenizer = Tokenizer(WordLevel({"a": 0, "b": 1, "c": 2, "d": 3}, unk_token="a"))
    tokenizer.pre_tokenizer = Whitespace()
    return tokenizer
