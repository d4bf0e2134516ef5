"""Calibration text: whose it is, how much, and where it comes from."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from kishi.errors import DataError
from kishi.jsonl import read_rows
from quantize import calibration
from recipes.job import Job
from recipes.schema_quantize import Calibration


def _with(job: Job, **changes: object) -> Job:
    section = Calibration.model_validate(changes)
    return replace(job, recipe=job.recipe.model_copy(update={"quantize": job.recipe.quantize.model_copy(update={"calibration": section})}))


def test_rows_have_one_length_and_the_shares_of_the_mix(job: Job) -> None:
    model = job.inputs["dpo"] / "model"
    found = calibration.rows(_with(job, tokens=6400, length=64, mix={"kk": 2, "ru": 1, "en": 1}), model)
    assert {language: len(rows) for language, rows in found.items()} == {"kk": 50, "ru": 25, "en": 25}
    assert {len(row) for row in calibration.flat(found)} == {64}
    assert [row in found["kk"] for row in calibration.flat(found)[:6]] == [True, False, False] * 2
    assert calibration.rows(_with(job, tokens=6400, length=64, mix={"en": 1}), model)["en"][:25] == found["en"]
    assert list(calibration.rows(_with(job, mix={"en": 1}), model)) == ["en"]


def test_rows_are_the_corpus_and_not_the_held_out_text(job: Job) -> None:
    model, data = job.inputs["dpo"] / "model", job.inputs["data"]
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    rows = calibration.rows(_with(job, tokens=2_000_000, length=128), model)["kk"]
    text = tokenizer.decode([token for row in rows for token in row], skip_special_tokens=False)
    first, *_ = read_rows(data / "corpus/clean/kk.jsonl.zst")
    assert text.startswith("<|endoftext|>" + first["text"])
    held = [row["text"] for row in read_rows(data / "heldout/kk.jsonl.zst")]
    assert held and not any(document[:200] in text for document in held)


def test_a_short_corpus_gives_what_it_has_and_an_empty_one_is_named(job: Job, tmp_path: Path) -> None:
    model = job.inputs["dpo"] / "model"
    found = calibration.tokens(calibration.rows(_with(job, tokens=2_000_000), model))
    assert 1000 < found["en"] < 100_000 and found["en"] % json.loads((model / "config.json").read_text())["max_position_embeddings"] == 0
    (tmp_path / "corpus/clean").mkdir(parents=True)
    with pytest.raises(DataError, match="corpus in kk"):
        calibration.rows(replace(job, inputs={**job.inputs, "data": tmp_path}), model)
