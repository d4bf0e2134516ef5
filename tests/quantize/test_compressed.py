"""AWQ, GPTQ, AutoRound and FP8 on a real (random) model: what is written is what was made, and can be read by transformers alone."""

import json
import shutil
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from kishi.errors import ParityError
from quantize import compressed
from recipes.job import Job
from recipes.schema_quantize import Calibration, Gptq, Quantize

SECTIONS = {"awq": {"group_size": 64}, "gptq": {}, "autoround": {"iterations": 4}, "fp8": {}}


def _job(job: Job, folder: Path, method: str) -> Job:
    folder.mkdir(parents=True, exist_ok=True)
    section = Quantize.model_validate({"calibration": Calibration(tokens=1024, length=64), method: SECTIONS[method]})
    return replace(job, folder=folder, recipe=job.recipe.model_copy(update={"quantize": section}))


def _made(job: Job, folder: Path, method: str) -> dict[str, Any]:
    facts: dict[str, Any] = import_module(f"quantize.{method}").run(_job(job, folder, method))
    return facts


@pytest.mark.slow
@pytest.mark.parametrize(("method", "bits", "group"), [("awq", 4, 64), ("gptq", 4, 128), ("autoround", 4, 128), ("fp8", 8, None)])
def test_a_method_makes_a_folder_that_transformers_reads(job: Job, tmp_path: Path, method: str, bits: int, group: int | None) -> None:
    facts, folder = _made(job, tmp_path, method), tmp_path / "model"
    weights = json.loads((folder / "config.json").read_text())["quantization_config"]["config_groups"]["group_0"]["weights"]
    assert (weights["num_bits"], weights["group_size"]) == (bits, group)
    assert facts["bytes"] < (job.inputs["dpo"] / "model/model.safetensors").stat().st_size / 2
    assert sum(facts["calibration_tokens"].values()) == (0 if method == "fp8" else 1024)
    before = AutoModelForCausalLM.from_pretrained(job.inputs["dpo"] / "model", dtype=torch.float32).eval()
    after = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    embedding = before.model.embed_tokens.weight
    assert after.config.tie_word_embeddings and torch.equal(after.model.embed_tokens.weight, embedding.to(torch.bfloat16).float())
    ids = torch.tensor([AutoTokenizer.from_pretrained(folder)("Көктемде дала қандай болады?").input_ids])
    with torch.inference_mode():
        similarity = torch.nn.functional.cosine_similarity(before(ids).logits, after(ids).logits, dim=-1)
    if group:  # read back, each group of weights holds 16 values at most
        rows = after.get_submodule("model.layers.1.mlp.up_proj").weight.reshape(-1, group)
        assert max(len(row.unique()) for row in rows) <= 16
    assert 0.8 < similarity.min() < 1 - 1e-6  # rounded, and yet the same model


@pytest.mark.slow
def test_equal_text_gives_equal_weights_and_a_damaged_folder_is_refused(job: Job, tmp_path: Path) -> None:
    for name in ("one", "two"):
        _made(job, tmp_path / name, "gptq")
    one, two = (load_file(tmp_path / name / "model/model.safetensors") for name in ("one", "two"))
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "one/model", dtype=torch.float32)
    ids = torch.arange(64, 128)[None]
    expected = compressed._logits(model, ids)
    name = next(name for name in two if name.endswith("up_proj.weight_scale"))
    two[name] *= 1.2
    save_file(two, tmp_path / "two/model/model.safetensors", metadata={"format": "pt"})
    damaged = AutoModelForCausalLM.from_pretrained(tmp_path / "two/model", dtype=torch.float32)
    assert compressed.check_same(expected, expected, tmp_path) == 0
    with pytest.raises(ParityError, match="logits of the folder"):
        compressed.check_same(compressed._logits(damaged, ids), expected, tmp_path)
    shutil.rmtree(tmp_path / "two")


def test_groups_are_as_large_as_the_rows_allow() -> None:
    def model(*widths: int) -> Any:
        layers = {f"layer{n}": torch.nn.Linear(width, 8) for n, width in enumerate(widths)}
        return torch.nn.ModuleDict({**layers, "lm_head": torch.nn.Linear(7, 8)})

    assert compressed.group_size(model(256, 768), Gptq()) == 128
    assert compressed.group_size(model(256, 768), Gptq(group_size=32)) == 32
    assert compressed.group_size(model(256, 192), Gptq()) == 64
    with pytest.raises(ParityError, match="multiples of 32"):
        compressed.group_size(model(48), Gptq())
