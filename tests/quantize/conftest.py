"""A random Qwen3 model with the tokenizer and data of the sample, as the stages before quantisation leave them."""

import shutil
from pathlib import Path

import pytest
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from kishi.jsonl import read_rows, write_rows
from recipes.hardware import Hardware
from recipes.job import Job
from recipes.loading import load_recipe
from tokenizer.train import run as train_tokenizer

HARDWARE = Hardware(device="cpu", threads=1, micro_batch_size=1, precision="fp32")
LANGUAGES = ("kk", "ru", "en")


def write_data(folder: Path) -> None:
    documents = [row for path in sorted(Path("data/sample/corpus").glob("*.jsonl")) for row in read_rows(path)]
    for language in LANGUAGES:
        rows = [{"id": str(number), "source": "sample", **row} for number, row in enumerate(documents) if row["lang"] == language]
        write_rows(folder / "corpus/clean" / f"{language}.jsonl.zst", rows[2:])
        write_rows(folder / "heldout" / f"{language}.jsonl.zst", rows[:2])


@pytest.fixture(scope="session")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    root = tmp_path_factory.mktemp("gguf")
    for name in ("data", "tokenizer", "gguf"):
        (root / name).mkdir()
    recipe = load_recipe(Path("recipes/kishi-tiny.yaml"), ["quantize.calibration.tokens=2048", "pretrain.sequence_length=128"])
    write_data(root / "data")
    train_tokenizer(Job(recipe, HARDWARE, root / "tokenizer", {"data": root / "data"}))
    torch.manual_seed(1)
    config = Qwen3Config(
        vocab_size=2048,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=128,
        tie_word_embeddings=True,
        initializer_range=0.1,
    )
    Qwen3ForCausalLM(config).save_pretrained(root / "dpo/model")
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(root / "tokenizer" / name, root / "dpo/model")
    return Job(recipe, HARDWARE, root / "gguf", {"data": root / "data", "dpo": root / "dpo"})
