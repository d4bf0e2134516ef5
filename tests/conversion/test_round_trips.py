"""Hugging Face to Megatron and back, bit for bit, for the shapes of all recipes and for other families; shards of several processes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

from conversion.export_hf import check_parity, hugging_face_config
from conversion.tensors import places
from kishi.errors import ParityError
from kishi.jsonl import write_json
from recipes.base import KINDS, read_shape
from recipes.loading import load_recipe
from tests.conversion.sharded import SHAPE

IDS = [5, 9, 300, 700, 12, 44, 45, 46, 20, 700, 3, 1]
RECIPES = ("kishi-tiny", "kishi-200m", "kishi-350m", "kishi-500m")
SMALL: dict[str, Any] = {
    "vocab_size": 1000, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 256,
}  # fmt: skip
FAMILIES = {
    "qwen3": Qwen3Config(**SMALL, head_dim=32, tie_word_embeddings=True),
    "qwen3-untied": Qwen3Config(**SMALL, head_dim=32, tie_word_embeddings=False),
    "qwen2": Qwen2Config(**SMALL, tie_word_embeddings=True),
    "llama": LlamaConfig(**SMALL, tie_word_embeddings=False, rms_norm_eps=1e-5),
    "mistral": MistralConfig(**SMALL, sliding_window=None),
}
FAULTS = ("lost", "permuted", "one bit", "extra", "deleted")
Q_NORM = "model.layers.0.self_attn.q_norm.weight"


def write_model(folder: Path, config: Any, seed: int = 1) -> None:
    torch.manual_seed(seed)
    model: Any = AutoModelForCausalLM.from_config(config)
    for name, weight in model.named_parameters():
        if "norm" in name:  # ones at the start: a lost one would not show
            torch.nn.init.uniform_(weight, 0.5, 1.5)
        else:
            torch.nn.init.normal_(weight, std=0.05)
    model.save_pretrained(folder)
    write_json(folder / "ids.json", IDS)


def recipe_config(name: str, folder: Path) -> Any:
    """The recipe's own widths, with two layers and few rows."""
    recipe = load_recipe(Path("recipes") / f"{name}.yaml", ["model.layers=2", "tokenizer.vocab_size=1024"])
    write_json(folder / "config.json", hugging_face_config(recipe))
    return AutoConfig.from_pretrained(folder)


def change(folder: Path, name: str, value: torch.Tensor | None) -> None:
    weights = load_file(folder / "model.safetensors")
    weights.pop(name, None)
    save_file(weights | ({} if value is None else {name: value}), folder / "model.safetensors", metadata={"format": "pt"})


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that needs Megatron, in one start of it."""
    root = tmp_path_factory.mktemp("conversion")
    for name in RECIPES:
        write_model(root / "cases" / name, recipe_config(name, root / "cases" / name))
    for name, config in FAMILIES.items():
        write_model(root / "cases" / name, config)
    for fault in FAULTS:
        write_model(root / "cases" / fault, FAMILIES["qwen3"])
        (root / "cases" / fault / "fault.txt").write_text(fault if fault in ("lost", "permuted", "one bit") else "")
    change(root / "cases" / "extra", Q_NORM.replace("weight", "bias"), torch.zeros(32))
    change(root / "cases" / "deleted", Q_NORM, None)
    for name in ("tensor", "pipeline"):
        recipe = load_recipe(Path("recipes/kishi-tiny.yaml"), SHAPE)
        write_json(root / "exported" / name / "config.json", hugging_face_config(recipe))
        write_json(root / "exported" / name / ".parity_ids.json", [IDS])
    write_json(root / "ids.json", IDS)
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TORCHDYNAMO_DISABLE": "1", "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "tests.conversion.round_trips"]
    done = subprocess.run([*command, str(root)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return root


def result(root: Path, case: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "cases" / case / "result.json").read_text())
    return found


@pytest.mark.parametrize("case", [*RECIPES, *FAMILIES])
def test_tensors_come_back_bit_for_bit_and_logits_agree(converted: Path, case: str) -> None:
    folder = converted / "cases" / case
    stored = len(places(folder))
    assert result(converted, case) == {"tensors": stored, "from_checkpoint": stored}
    shape = read_shape(folder / "config.json")
    parity = check_parity(folder, [IDS], shape.rows, logits=folder / "logits.safetensors")
    assert parity["max_difference"] <= 1e-5 and parity["parameters"] == shape.parameters(shape.rows)


def test_all_kinds_that_are_said_to_work_are_among_them(converted: Path) -> None:
    tried = {json.loads((converted / "cases" / name / "config.json").read_text())["architectures"][0] for name in FAMILIES}
    assert tried == KINDS.keys()


@pytest.mark.parametrize(
    ("case", "error"),
    [
        ("lost", f"1 tensors have no place in Megatron's model: {Q_NORM}"),
        ("permuted", f"{Q_NORM} comes back from Megatron with other values"),
        ("one bit", f"{Q_NORM} comes back from Megatron with other values"),
        ("extra", f"1 tensors have no place in Megatron's model: {Q_NORM.replace('weight', 'bias')}"),
        ("deleted", f"Megatron's {Q_NORM} is not in the folder"),
    ],
)
def test_a_lost_extra_or_changed_tensor_is_caught(converted: Path, case: str, error: str) -> None:
    assert result(converted, case) == {"error": error}


@pytest.mark.parametrize("cut", ["tensor", "pipeline"])
def test_a_checkpoint_of_two_processes_exports_in_one(converted: Path, cut: str) -> None:
    """Against the logits of the cut model itself, in its two processes."""
    checkpoint = converted / cut / "checkpoints" / "iter_0000000"
    assert len(list(checkpoint.glob("*.distcp"))) == 2
    parity = check_parity(converted / "exported" / cut, [IDS], 768, logits=converted / f"{cut}.safetensors")
    assert parity["max_difference"] <= 1e-5 and parity["largest_logit"] > 0.1
    norm = load_file(converted / "exported" / cut / "model.safetensors")["model.layers.1.self_attn.k_norm.weight"]
    assert torch.equal(norm, torch.linspace(0.5, 1.5, 32))


def test_a_tied_head_stored_twice_is_refused(converted: Path) -> None:
    folder = converted / "exported" / "tensor"
    embedding = load_file(folder / "model.safetensors")["model.embed_tokens.weight"]
    change(folder, "lm_head.weight", embedding.clone())
    with pytest.raises(ParityError, match=r"1 tensors too many: lm_head\.weight"):
        check_parity(folder, [IDS], 768)
    change(folder, "lm_head.weight", None)
