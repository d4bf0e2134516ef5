"""The export stage's gate on a real model: what must agree, and that it falls when something does not."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM

from conversion import export_hf
from conversion.export_hf import TOKENIZER_FILES, TOLERANCE, check_parity, check_tokenizer_files, hugging_face_config
from conversion.export_worker import _save
from kishi.errors import ParityError
from kishi.jsonl import write_json, write_rows
from kishi.special_tokens import SPECIAL_TOKENS
from recipes.job import Job
from recipes.loading import load_hardware, load_recipe

RECIPE = load_recipe(
    Path("recipes/kishi-tiny.yaml"),
    [
        "tokenizer.vocab_size=768",
        "model.layers=2",
        "model.hidden_size=64",
        "model.ffn_hidden_size=128",
        "model.attention_heads=2",
        "model.kv_heads=1",
        "model.head_dim=32",
    ],
)
TEXTS = [list(range(20, 60)), list(range(700, 660, -1))]


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A folder as the worker leaves it, with the logits of the weights in it."""
    write_json(tmp_path / "config.json", hugging_face_config(RECIPE))
    write_as_worker(tmp_path, TEXTS)
    return tmp_path


def write_as_worker(folder: Path, texts: list[list[int]]) -> None:
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder)).eval()
    for name, weight in model.named_parameters():
        if "norm" in name:  # ones at the start: a lost one would not show
            torch.nn.init.uniform_(weight, 0.5, 1.5)
        else:
            torch.nn.init.normal_(weight, std=0.1)
    model.save_pretrained(folder)
    with torch.no_grad():
        logits = {str(number): model(torch.tensor([ids])).logits[0].contiguous() for number, ids in enumerate(texts)}
    save_file(logits, folder / ".logits.safetensors")


def change(folder: Path, name: str, value: torch.Tensor | None) -> None:
    weights = load_file(folder / "model.safetensors")
    if value is None:
        del weights[name]
    else:
        weights[name] = value
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def test_equal_models_pass_and_the_tolerance_is_stated(exported: Path) -> None:
    parity = check_parity(exported, TEXTS, 768)
    assert parity["max_difference"] <= TOLERANCE == parity["tolerance"] == 1e-4
    assert (parity["rows"], parity["tokens_compared"]) == (768, 80)
    assert parity["parameters"] == RECIPE.model.parameters(768)


Q_NORM = "model.layers.1.self_attn.q_norm.weight"


@pytest.mark.parametrize("by_hand", ["one weight", "q_norm dropped", "q_norm of ones", "NaN", "Inf"])
def test_a_wrong_weight_fails(exported: Path, by_hand: str) -> None:
    name = Q_NORM if "q_norm" in by_hand else "model.layers.0.mlp.down_proj.weight"
    value = load_file(exported / "model.safetensors")[name]
    if by_hand == "one weight":
        value[3, 5] += 0.05
    elif by_hand == "q_norm of ones":  # what a loader that is not strict leaves in the place of a lost one
        value = torch.ones_like(value)
    elif by_hand in ("NaN", "Inf"):
        value[0, 0] = float(by_hand)
    change(exported, name, None if by_hand == "q_norm dropped" else value)
    with pytest.raises(ParityError):
        check_parity(exported, TEXTS, 768)


def test_rows_other_than_the_vocabulary_fail(exported: Path) -> None:
    with pytest.raises(ParityError, match="768 embedding rows, the vocabulary has 760"):
        check_parity(exported, TEXTS, 760)


@pytest.mark.parametrize("fault", ["missing", "unknown"])
def test_the_worker_saves_strictly(exported: Path, fault: str) -> None:
    weights = load_file(exported / "model.safetensors")
    if fault == "missing":
        del weights[Q_NORM]
    else:
        weights["model.layers.1.self_attn.q_norm.bias"] = torch.zeros(32)
    with pytest.raises(RuntimeError, match="q_norm"):
        _save(weights, exported)


def test_tokenizer_files_are_the_stages_byte_for_byte(tmp_path: Path) -> None:
    tokenizer, folder = tmp_path / "tokenizer", tmp_path / "phase1"
    tokenizer.mkdir()
    for name in TOKENIZER_FILES:
        (tokenizer / name).write_bytes(f"{name}\n".encode())
    shutil.copytree(tokenizer, folder)
    check_tokenizer_files(folder, tokenizer)
    (folder / "tokenizer_config.json").write_bytes(json.dumps({}).encode())
    with pytest.raises(ParityError, match="differs"):
        check_tokenizer_files(folder, tokenizer)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Inputs of the stage, but for the checkpoints."""
    rows = [{"id": "1", "text": "Қазақстанда көктем ерте келеді. The steppe is wide."}]
    write_rows(tmp_path / "data" / "heldout" / "kk.jsonl.zst", rows)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=768, special_tokens=list(SPECIAL_TOKENS), initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([row["text"] for row in rows], trainer)
    (tmp_path / "tokenizer").mkdir()
    for name in TOKENIZER_FILES:
        (tmp_path / "tokenizer" / name).write_text("{}")
    tokenizer.save(str(tmp_path / "tokenizer" / "tokenizer.json"))
    (tmp_path / "export").mkdir()
    inputs = {name: tmp_path / name for name in ("data", "tokenizer", "pretrain-phase1", "pretrain-phase2")}
    return Job(RECIPE, load_hardware("cpu"), tmp_path / "export", inputs)


@pytest.mark.parametrize("fault", [None, "one weight", "rewritten tokenizer"])
def test_the_stage_keeps_no_phase_that_differs(job: Job, monkeypatch: pytest.MonkeyPatch, fault: str | None) -> None:
    """The conversion itself is stood in for: what it writes must be wrong here (tests/train/test_export_killed.py runs the real one)."""

    def worker(folders: dict[Path, Path]) -> None:
        for folder in folders.values():
            write_as_worker(folder, json.loads((folder / ".parity_ids.json").read_bytes()))
        if fault == "one weight":
            change(folder, Q_NORM, torch.ones(32))
        elif fault == "rewritten tokenizer":
            (folder / "tokenizer_config.json").write_text('{"added": 1}')

    monkeypatch.setattr(export_hf, "_run_worker", worker)
    if fault is None:
        facts = export_hf.run(job)
        assert facts["phase2"]["max_difference"] <= TOLERANCE and facts["phase2"]["tokens_compared"] == 10
        return
    with pytest.raises(ParityError, match="phase2"):
        export_hf.run(job)
    assert (job.folder / "phase1" / "parity.json").is_file() and not (job.folder / "phase2" / "parity.json").exists()
