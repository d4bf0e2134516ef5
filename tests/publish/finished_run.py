"""A finished run with real, tiny model files: what `make push` finds on disk."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from gguf import GGUFWriter
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from kishi import manifest
from kishi.jsonl import write_json, write_rows
from kishi.manifest import Input, Manifest

HELDOUT = "Қыста далада қар көп жауды, сондықтан малшылар отарларын ықтасын жерге айдап, түні бойы ұйықтамай күзетті."
INPUTS: dict[str, tuple[str, ...]] = {
    "data": (),
    "tokenizer": ("data",),
    "index": ("data", "tokenizer"),
    "pretrain-phase1": ("index", "tokenizer"),
    "pretrain-phase2": ("index", "tokenizer", "pretrain-phase1"),
    "export-hf": ("pretrain-phase2", "tokenizer"),
    "sft": ("export-hf",),
    "dpo": ("sft",),
    "gguf": ("dpo", "data"),
    "eval": ("data", "export-hf", "dpo", "gguf"),
}
_BITS = {"kk": 1.7, "ru": 2.0, "en": 2.9}
_SCORE = {"n": 50, "acc": 0.5, "acc_interval": [0.37, 0.63], "acc_norm": 0.48, "macro_f1": 0.49}
_MODELS = ("untrained", "phase2", "dpo", "gguf-F16")
_RECIPES: dict[str, dict[str, Any]] = {
    "data": {"data": {"mix": {"kk": 0.5, "ru": 0.25, "en": 0.25}, "sources": [{"name": "sample", "license": "Apache-2.0"}]}},
    "dpo": {"dpo": {"path": "pairs.jsonl"}, "eval": {"prompts": {"kk": "Сәлем!"}}},
    "sft": {"sft": {"path": "turns.jsonl"}},
}


def make(root: Path) -> Path:
    """The run's folder, `root/kishi-test`."""
    run = root / "kishi-test"
    for stage in INPUTS:
        (run / stage).mkdir(parents=True)
    write_rows(run / "data/heldout/kk.jsonl.zst", [{"id": "1", "text": HELDOUT, "lang": "kk"}])
    write_rows(
        run / "data/corpus/clean/kk-00000.jsonl.zst", [{"id": "2", "text": "Жаз келді.", "source": "sample", "license": "Apache-2.0"}]
    )
    _tokenizer(run / "tokenizer")
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=384, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
            head_dim=16, tie_word_embeddings=True, max_position_embeddings=64,
        )
    )  # fmt: skip
    for folder in (run / "export-hf/phase2", run / "sft/model", run / "dpo/model"):
        model.save_pretrained(folder)
        for path in (run / "tokenizer").iterdir():
            shutil.copy(path, folder)
    write_rows(run / "dpo/metrics.jsonl", [{"step": 1, "loss": 0.7}])
    _gguf(run / "dpo/model/model.safetensors", run / "gguf/model-F16.gguf")
    for stage in INPUTS:
        seal(run, stage, facts(model.num_parameters())[stage])
    return run


def facts(parameters: int) -> dict[str, dict[str, Any]]:
    """What each stage says about itself."""
    tasks = {"mcq_kk": {"n": 50, "random": 0.25, "majority": 0.26}}
    return {
        "data": {"licenses": {"sample": "Apache-2.0"}},
        "tokenizer": {"vocab_size": 384, "fertility": {"kk": {"tokens_per_word": 2.8}}},
        "index": {"sources": [{"tier": "clean", "lang": "kk", "source": "sample", "documents": 1, "tokens": 9, "bytes": 17}]},
        "pretrain-phase1": {"tokens": 1000},
        "pretrain-phase2": {"tokens": 2000, "parameters": parameters},
        "export-hf": {"phase2": {"max_difference": 0.0, "tolerance": 1e-4, "tokens_compared": 100, "parameters": parameters}},
        "sft": {"license": "Apache-2.0", "examples": {"train": 9}},
        "dpo": {"license": "Apache-2.0", "examples": {"train": 9}, "stop_rate": 0.5},
        "gguf": {"f16_perplexity_difference": {"kk": 1e-5}, "token_ids_compared": 100},
        "eval": {"models": {name: {"bits_per_byte": _BITS, "tasks": {"mcq_kk": _SCORE}} for name in _MODELS}, "tasks": tasks},
    }


def seal(run: Path, stage: str, found: dict[str, Any]) -> None:
    """Write the manifest of what lies in the stage's folder now; its inputs' manifests are there already."""
    inputs = {}
    for name in INPUTS[stage]:
        made = manifest.read(run / name)
        hashed = manifest.sha256_file(run / name / manifest.FILE_NAME)
        inputs[name] = Input(path=name, manifest_sha256=hashed, content_sha256=made.content_sha256)
    manifest.write(
        run / stage,
        Manifest(
            schema_version=1,
            kind=stage,
            command="python -m recipes.run",
            recipe={"name": "kishi-test", **_RECIPES.get(stage, {})},
            recipe_sha256="0" * 64,
            fingerprint="f",
            code={"commit": "a" * 40, "dirty": False},
            environment={"hardware": {"device": "cpu"}},
            seeds={},
            inputs=inputs,
            outputs=manifest.list_outputs(run / stage),
            facts=found,
            started=f"2026-11-24T00:00:{list(INPUTS).index(stage):02d}+00:00",
            seconds=36.0,
        ),
    )


def change(run: Path, stage: str, **values: Any) -> None:
    """Put other values into a manifest, and nothing else."""
    path = run / stage / manifest.FILE_NAME
    write_json(path, json.loads(path.read_bytes()) | values)


def _tokenizer(folder: Path) -> None:
    core = Tokenizer(models.BPE())
    core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=384, special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    core.train_from_iterator([HELDOUT, "Жаз келді, күн ысыды.", "Пришло лето.", "Summer has come."], trainer)
    PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|endoftext|>").save_pretrained(folder)


def _gguf(weights: Path, path: Path) -> None:
    writer = GGUFWriter(path, "qwen3")
    for name, tensor in load_file(weights).items():
        writer.add_tensor(name, tensor.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
