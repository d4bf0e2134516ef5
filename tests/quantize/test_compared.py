"""The forms of one model side by side (stage `eval-quantized`): the files of the gguf stage against the model that they were made from."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from eval import decoding, quantized
from kishi import manifest
from kishi.errors import ArtefactError
from kishi.jsonl import read_rows
from kishi.manifest import Manifest
from quantize.bits import bits_per_weight
from quantize.gguf import make_files
from recipes.job import Job

TYPES = ("F16", "Q4_K_M")


@pytest.fixture(scope="module")
def compared(job: Job, tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, dict[str, Any]]:
    root = tmp_path_factory.mktemp("compared")
    recipe = job.recipe.model_copy(update={"gguf": job.recipe.gguf.model_copy(update={"types": TYPES})})
    for name in ("gguf", "eval-quantized"):
        (root / name).mkdir()
    files = make_files(replace(job, recipe=recipe, folder=root / "gguf"), job.inputs["dpo"] / "model")
    _manifest(root / "gguf", {"types": {kind: {"bits_per_weight": bits_per_weight(path)} for kind, path in files.items()}})
    inputs = {**job.inputs, "gguf": root / "gguf", "tokenizer": job.inputs["data"].parent / "tokenizer"}
    ready = replace(job, recipe=recipe, folder=root / "eval-quantized", inputs=inputs)
    return ready, quantized.run(ready)


def _manifest(folder: Path, facts: dict[str, Any]) -> None:
    values = {"schema_version": 1, "kind": folder.name, "command": "", "recipe": {}, "recipe_sha256": "", "fingerprint": "", "code": {}}
    more = {"environment": {}, "seeds": {}, "inputs": {}, "outputs": [], "facts": facts, "started": "", "seconds": 0.0}
    manifest.write(folder, Manifest.model_validate({**values, **more}))


@pytest.mark.slow
def test_each_form_is_measured_against_the_model(compared: tuple[Job, dict[str, Any]]) -> None:
    job, facts = compared
    rows = facts["models"]
    assert list(rows) == ["bf16", "gguf-F16", "gguf-Q4_K_M"]
    assert json.loads((job.folder / "results.json").read_text()) == facts
    for language, value in rows["bf16"]["rise_percent"].items():
        assert value == {"rise": 0.0, "interval": [0.0, 0.0]}
        assert abs(rows["gguf-F16"]["rise_percent"][language]["rise"]) < 0.03
    changes = {kind: sum(abs(value["rise"]) for value in rows[f"gguf-{kind}"]["rise_percent"].values()) for kind in TYPES}
    assert changes["Q4_K_M"] > 3 * changes["F16"]
    assert rows["gguf-Q4_K_M"]["bytes"] < rows["gguf-F16"]["bytes"] / 2
    for row in rows.values():
        speed, per_word = row["tokens_per_second"]["cpu"], facts["tokens_per_word"]["kk"]
        assert row["words_per_second"]["kk"]["cpu"] == pytest.approx(speed / per_word, rel=0.01) and speed > 1
        assert set(row["tasks"]) == set(facts["tasks"]) and row["peak_memory_bytes"]["cpu"] > row["bytes"]


@pytest.mark.slow
def test_bits_are_the_sum_over_documents(compared: tuple[Job, dict[str, Any]]) -> None:
    job, facts = compared
    for row in read_rows(job.folder / "documents.jsonl"):
        for language, nats in row["nats"].items():
            texts = [held["text"] for held in read_rows(job.inputs["data"] / f"heldout/{language}.jsonl.zst")]
            assert len(nats) == len(texts) == facts["documents"][language]
            bits = sum(nats) / math.log(2) / sum(len(text.encode()) for text in texts)
            assert facts["models"][row["model"]]["bits_per_byte"][language] == pytest.approx(bits, abs=1e-5)


@pytest.mark.slow
def test_a_finished_form_is_not_measured_again(compared: tuple[Job, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    job, facts = compared
    (job.folder / ".rows/gguf-Q4_K_M.json").unlink()
    measured: list[str] = []
    real = quantized._measure
    monkeypatch.setattr(quantized, "_measure", lambda name, *rest: measured.append(name) or real(name, *rest))
    again = quantized.run(job)
    assert measured == ["gguf-Q4_K_M"]
    assert again["models"]["bf16"] == facts["models"]["bf16"]
    assert again["models"]["gguf-Q4_K_M"]["rise_percent"] == facts["models"]["gguf-Q4_K_M"]["rise_percent"]


def test_a_form_that_does_not_run_is_named(job: Job, tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF, or so it says")
    with pytest.raises(ArtefactError, match="could not be run on cpu"):
        decoding.measure(tmp_path / "model.gguf", list(range(40)), 128, job.hardware)
