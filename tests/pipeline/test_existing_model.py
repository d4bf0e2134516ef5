"""A model of someone else's goes through every stage from data to export; its old tokens keep their meaning until it is trained on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

from conversion import export_hf
from kishi.jsonl import read_rows
from recipes import runner
from recipes.job import Job
from recipes.loading import load_hardware, load_recipe
from recipes.run import main
from recipes.stages import chain
from tests.pipeline import base_model

pytestmark = pytest.mark.slow

VOCABULARY = 1024


def recipe_file(folder: Path, base: Path) -> Path:
    """The tiny recipe with a base in the place of its model."""
    values = yaml.safe_load(Path("recipes/kishi-tiny.yaml").read_text(encoding="utf-8"))
    del values["model"]
    values["name"] = "expand-tiny"
    values["base"] = {"path": str(base), "license": "Apache-2.0"}
    values["tokenizer"] = {"vocab_size": VOCABULARY, "mix": {"kk": 0.8, "ru": 0.2}, "sample_megabytes": 8}
    values["pretrain"] |= {
        "sequence_length": 128, "learning_rate": 2e-3, "warmup_steps": 1, "evaluate_every": 100, "checkpoint_every": 100,
        "sample_tokens": 4,
        "phases": [{"tier": "dirty", "steps": 12}, {"tier": "clean", "steps": 4}],
    }  # fmt: skip
    path = folder / "expand-tiny.yaml"
    path.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Every stage from data to pretrain-phase1, and the export of that phase. The head is untied: there are then two tables to grow."""
    place = tmp_path_factory.mktemp("existing")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "RUNS", place / "runs")
        make(place, "cpu")
        yield place


def make(place: Path, overlay: str) -> None:
    base_model.write(place / "base", tied=False)
    recipe = str(recipe_file(place, place / "base"))
    for name in ("data", "tokenizer", "index", "expand-model", "import-hf", "pretrain-phase1"):
        assert main([recipe, name, "--hw", overlay]) == 0
    inputs = {name: stage(place, name) for name in ("data", "tokenizer", "import-hf", "pretrain-phase1")}
    export_hf._export(Job(load_recipe(Path(recipe)), load_hardware("cpu"), place, inputs), {"phase1": place / "exported"})


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_on_a_gpu_it_begins_with_the_same_model_and_exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In bf16, with Transformer Engine where it is installed; imported and exported on the CPU."""
    monkeypatch.setattr(runner, "RUNS", tmp_path / "runs")
    make(tmp_path, "1xh100")
    rows = list(read_rows(stage(tmp_path, "pretrain-phase1") / "metrics.jsonl"))
    model: Any = AutoModelForCausalLM.from_pretrained(stage(tmp_path, "expand-model"), dtype=torch.float32)
    assert rows[0]["bits_per_byte"]["kk"] == pytest.approx(bits_per_byte(model, tmp_path, "kk"), rel=1e-2)
    assert rows[-1]["bits_per_byte"]["kk"] < rows[0]["bits_per_byte"]["kk"]
    assert json.loads((tmp_path / "exported" / "parity.json").read_text())["max_difference"] <= 1e-4


def stage(folder: Path, name: str) -> Path:
    return folder / "runs" / "expand-tiny" / name


def facts(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((stage(folder, name) / "manifest.json").read_text())["facts"]
    return found


def test_old_vocabulary_logits_do_not_change_before_training(folder: Path) -> None:
    before: Any = AutoModelForCausalLM.from_pretrained(folder / "base", dtype=torch.float32)
    after: Any = AutoModelForCausalLM.from_pretrained(stage(folder, "expand-model"), dtype=torch.float32)
    ids = torch.tensor([[5, 300, 599, 17, 600]])
    with torch.no_grad():
        old, new = (model(ids).logits for model in (before, after))
    assert new.shape[-1] == VOCABULARY and torch.equal(old[..., : base_model.TOKENS], new[..., : base_model.TOKENS])
    assert facts(folder, "expand-model")["old_logits_difference"] <= 1e-5
    assert facts(folder, "import-hf")["max_difference"] <= 1e-4


def test_training_begins_with_the_grown_model_and_loss_falls(folder: Path) -> None:
    rows = list(read_rows(stage(folder, "pretrain-phase1") / "metrics.jsonl"))
    losses = [row["loss"] for row in rows if "loss" in row]
    measured = [row["bits_per_byte"] for row in rows if "bits_per_byte" in row]
    assert [row["step"] for row in rows if "loss" in row] == list(range(1, 13))
    assert sum(losses[-3:]) < sum(losses[:3]) and all(measured[-1][language] < measured[0][language] for language in measured[0])
    # what Megatron measured before its first step is what plain transformers measures on the same text
    model: Any = AutoModelForCausalLM.from_pretrained(stage(folder, "expand-model"), dtype=torch.float32)
    assert measured[0]["kk"] == pytest.approx(bits_per_byte(model, folder, "kk"), rel=1e-4)


def bits_per_byte(model: Any, folder: Path, language: str) -> float:
    """Of the held-out documents, by the eval stage's code."""
    from eval import held_out
    from eval.hugging_face import negative_log_likelihood

    tokenizer = Tokenizer.from_file(str(stage(folder, "tokenizer") / "tokenizer.json"))
    text = held_out.load(stage(folder, "data"), tokenizer, (language,))[language]
    return text.bits_per_byte(lambda cut: negative_log_likelihood(model, cut), 128)


def test_the_exported_model_is_a_plain_one(folder: Path) -> None:
    exported = folder / "exported"
    parity = json.loads((exported / "parity.json").read_text())
    assert parity["max_difference"] <= parity["tolerance"] == 1e-4 and parity["rows"] == VOCABULARY
    model: Any = AutoModelForCausalLM.from_pretrained(exported)
    weights = load_file(exported / "model.safetensors")
    assert weights["lm_head.weight"].shape == weights["model.embed_tokens.weight"].shape == (VOCABULARY, 64)
    assert not torch.equal(weights["lm_head.weight"], weights["model.embed_tokens.weight"])
    assert model.config.architectures == ["Qwen3ForCausalLM"] and model.config.max_position_embeddings == 256
    tokenizer = AutoTokenizer.from_pretrained(exported)
    assert len(tokenizer) == VOCABULARY and model.config.eos_token_id == tokenizer.eos_token_id == 600
    assert facts(folder, "pretrain-phase1")["parameters"] == parity["parameters"] == sum(w.numel() for w in weights.values())


def test_status_and_dry_run_know_the_chain_and_the_base(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = str(folder / "expand-tiny.yaml")
    assert main([recipe, "status"]) == 0
    assert capsys.readouterr().out.count(" done ") == 6
    assert main([recipe, "all", "--dry-run"]) == 0
    plan = capsys.readouterr().out
    assert f"{facts(folder, 'import-hf')['parameters'] / 1e6:.2f}M parameters" in plan and "expand-model: done" in plan
    config = folder / "base" / "config.json"
    whole = config.read_text()
    try:
        config.write_text(whole.replace("Qwen3ForCausalLM", "Gemma3ForCausalLM"))
        states = {name: runner.state(one, load_recipe(Path(recipe))) for name, one in chain(load_recipe(Path(recipe))).items()}
        assert main([recipe, "all", "--dry-run"]) == 2
    finally:
        config.write_text(whole)
    assert {name for name, (word, why) in states.items() if word == "stale" and "changed: " in why} == {"tokenizer", "expand-model"}
    refused = capsys.readouterr().err
    assert "Gemma3ForCausalLM cannot be converted here" in refused
    assert "LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM" in refused
