"""The importance matrix: its values, its file, and what llama.cpp does with it."""

from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from conversion.gguf import convert
from quantize import calibration, importance, llama
from quantize.gguf import importance_matrix
from recipes.job import Job

NAME = "blk.1.attn_q.weight"


@pytest.fixture(scope="module")
def matrix(job: Job, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    return importance_matrix(replace(job, folder=tmp_path_factory.mktemp("imatrix")), job.inputs["dpo"] / "model")


def test_values_are_mean_squares_of_what_the_layers_read(job: Job, tmp_path: Path, matrix: dict[str, np.ndarray]) -> None:
    source = job.inputs["dpo"] / "model"
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32).eval()
    rows = calibration.flat(calibration.rows(job, source))
    with torch.inference_mode():
        # what goes into a layer's attention is the normalised output of the layer before
        hidden = [model.model(torch.tensor([row]), output_hidden_states=True).hidden_states[1][0] for row in rows]
        read = model.model.layers[1].input_layernorm(torch.cat(hidden))
    assert matrix[NAME] == pytest.approx(read.square().mean(0).numpy(), rel=1e-4)
    tensors = {tensor.name for tensor in gguf.GGUFReader(_converted(job, tmp_path)).tensors}
    assert set(matrix) == {name for name in tensors if name.startswith("blk") and "norm" not in name}


def _converted(job: Job, folder: Path) -> Path:
    convert(job.inputs["dpo"] / "model", folder / "F16.gguf")
    return folder / "F16.gguf"


def test_the_file_gives_back_what_was_written(tmp_path: Path, matrix: dict[str, np.ndarray]) -> None:
    importance.write(tmp_path / "imatrix.gguf", matrix, 4096, 128)
    again = importance.read(tmp_path / "imatrix.gguf")
    assert set(again) == set(matrix) and all(again[name] == pytest.approx(matrix[name], rel=1e-6) for name in matrix)


@pytest.mark.parametrize("kind", ["Q4_K_M", "IQ4_XS"])
def test_llama_cpp_spares_the_columns_that_matter(job: Job, tmp_path: Path, matrix: dict[str, np.ndarray], kind: str) -> None:
    """The error weighted by importance falls, and it falls in the columns that a matrix made up here calls important."""
    source = _converted(job, tmp_path)
    exact = _values(source, NAME)
    one_sided = {name: np.where(np.arange(values.size) % 8 == 0, 1000.0, 1.0).astype(np.float32) for name, values in matrix.items()}
    errors = {}
    for label, given in (("none", None), ("measured", matrix), ("one-sided", one_sided)):
        llama.quantize(source, tmp_path / "out.gguf", kind, 1, given)
        errors[label] = np.square(_values(tmp_path / "out.gguf", NAME) - exact)
    assert (errors["measured"] * matrix[NAME]).sum() < (errors["none"] * matrix[NAME]).sum()
    assert errors["one-sided"][:, ::8].mean() < 0.5 * errors["none"][:, ::8].mean()


def _values(path: Path, name: str) -> np.ndarray:
    tensor = next(tensor for tensor in gguf.GGUFReader(path).tensors if tensor.name == name)
    return gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float64)
