"""Training on 4 bits: the grid is llama.cpp's, the file holds what was trained, a kill changes nothing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from kishi.jsonl import read_rows
from quantize import calibration, llama, qat
from quantize.grid import StraightThrough, q4_0
from recipes.job import Job
from recipes.schema_quantize import Qat

SECTION = Qat(steps=8, batch_size=4, length=64, learning_rate=3e-4)


def _job(job: Job, folder: Path) -> Job:
    folder.mkdir(exist_ok=True)
    section = job.recipe.quantize.model_copy(update={"qat": SECTION})
    return replace(job, folder=folder, recipe=job.recipe.model_copy(update={"quantize": section}))


def _weights() -> torch.Tensor:
    """Ordinary rows, and blocks of zeros, of one value, of tiny and of large numbers."""
    weights = torch.randn(64, 256, generator=torch.Generator().manual_seed(0))
    weights[0], weights[1], weights[2], weights[3] = 0, 0.7, weights[2] * 1e-6, weights[3] * 1e4
    return weights


def test_the_grid_is_that_of_ggml() -> None:
    weights = _weights()
    kind = gguf.GGMLQuantizationType.Q4_0
    expected = gguf.dequantize(gguf.quantize(weights.numpy(), kind), kind)
    assert np.array_equal(q4_0(weights).numpy(), expected)


def test_weights_on_the_grid_stay_there_also_through_16_bits() -> None:
    once = q4_0(_weights())
    assert torch.equal(q4_0(once), once)
    assert torch.equal(q4_0(once.half().float()), once)


def test_the_gradient_passes_straight_through() -> None:
    weight = _weights().requires_grad_()
    seen = StraightThrough()(weight)
    assert torch.equal(seen.detach(), q4_0(weight.detach()))
    seen.square().sum().backward()
    assert weight.grad is not None and torch.equal(weight.grad, 2 * seen.detach())


@pytest.fixture(scope="module")
def undisturbed(job: Job, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("qat")
    return folder, qat.run(_job(job, folder))


def test_the_file_holds_the_weights_that_were_trained(job: Job, undisturbed: tuple[Path, dict[str, Any]]) -> None:
    folder, facts = undisturbed
    model = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32)
    linear = {name: layer for name, layer in model.named_modules() if isinstance(layer, torch.nn.Linear) and name != "lm_head"}
    assert facts["weights_compared"] == sum(layer.weight.numel() for layer in linear.values())
    assert all(torch.equal(q4_0(layer.weight), layer.weight) for layer in linear.values())
    before = AutoModelForCausalLM.from_pretrained(job.inputs["dpo"] / "model", dtype=torch.float32)
    rounded = [q4_0(before.get_submodule(name).weight) for name in linear]
    assert not all(torch.equal(layer.weight, old) for layer, old in zip(linear.values(), rounded, strict=True))  # it did learn
    rows = calibration.flat(calibration.rows(job, job.inputs["dpo"] / "model"))
    with llama.opened(folder / "model-Q4_0.gguf", 128, 1, logits=True) as opened, torch.inference_mode():
        opened.eval(rows[0])
        theirs = torch.tensor(np.asarray(opened.scores[: len(rows[0])]))
        ours = model.eval()(torch.tensor([rows[0]])).logits[0]
    # the embedding is stored in 6 bits, llama.cpp rounds activations to 8: the rest of the difference
    assert torch.nn.functional.cosine_similarity(theirs, ours, dim=-1).min() > 0.99


def test_it_comes_nearer_to_the_model_before(undisturbed: tuple[Path, dict[str, Any]]) -> None:
    rows = list(read_rows(undisturbed[0] / "metrics.jsonl"))
    assert [row["step"] for row in rows] == list(range(1, 9))
    assert undisturbed[1]["loss"]["last"] < undisturbed[1]["loss"]["first"]


def test_killed_and_run_again_gives_the_same(
    job: Job, undisturbed: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = iter(range(5))
    real = qat._step

    def stopped(*arguments: Any) -> float:
        next(taken)
        return real(*arguments)

    with monkeypatch.context() as patch, pytest.raises(StopIteration):
        patch.setattr(qat, "_step", stopped)
        qat.run(_job(job, tmp_path))
    facts = qat.run(_job(job, tmp_path))
    assert facts["loss"] == undisturbed[1]["loss"]
    for name in ("model-Q4_0.gguf", "model/model.safetensors"):
        assert (tmp_path / name).read_bytes() == (undisturbed[0] / name).read_bytes(), name


def test_a_file_off_the_grid_is_refused(job: Job, undisturbed: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    folder = undisturbed[0]
    (tmp_path / "model").symlink_to(folder / "model")
    model = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32)
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, torch.nn.Linear) and name != "lm_head"}
    with torch.no_grad():
        layers["model.layers.0.mlp.up_proj"].weight[0, 0] += 1e-3
    with pytest.raises(qat.ParityError, match="up_proj is not what was trained"):
        qat.make_file(_job(job, tmp_path), layers)
    assert not (tmp_path / "model-Q4_0.gguf").exists()
