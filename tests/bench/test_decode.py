"""The decode benchmark on models of a few thousand weights: llama.cpp loads them, cuts text as Hugging Face does, and is timed."""

import random
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from bench.decode import Case, measure, tensors, write_random_model
from kishi.hard_texts import hard_texts
from quantize import llama
from recipes.schema import Model
from tokenizer.train import train

SHAPE = Model(layers=2, hidden_size=256, ffn_hidden_size=256, attention_heads=4, kv_heads=2, head_dim=64)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    words = "қала дала балалар мектеп кітап қалалар кітаптар өзен көл тау жол үй адам жылқы тіл сөз әлем күн ай жұлдыз"
    generator = random.Random(1)
    train({f" {word}{ending}": generator.random() * 9 + 3 for word in words.split() for ending in ("", "ға", "ны")}, 384, 2).save(
        str(folder / "tokenizer.json")
    )
    return folder


def test_tensors_hold_as_many_weights_as_the_shape_says() -> None:
    sizes = tensors(SHAPE, 1000).values()
    assert sum(size[0] * (size[1] if len(size) > 1 else 1) for size in sizes) == SHAPE.parameters(1000)


def test_random_models_run_and_a_larger_vocabulary_is_counted(tokenizer: Path, tmp_path: Path) -> None:
    cases = {"small": Case(SHAPE, tokenizer, "qwen35", 384), "rows": Case(SHAPE, tokenizer, "qwen35", 512)}
    files = {name: tmp_path / f"{name}.gguf" for name in cases}
    for name, case in cases.items():
        write_random_model(tmp_path / "whole.gguf", case)
        llama.quantize(tmp_path / "whole.gguf", files[name], "Q4_K_M", 2)
    rows = measure(files, cases, "қалаға балалар кітаптар", rounds=2)
    assert rows["small"]["words"] == 3 and rows["small"]["tokens"] == rows["rows"]["tokens"] >= 3
    assert rows["rows"]["parameters"] - rows["small"]["parameters"] == 128 * 256
    for row in rows.values():
        assert row["words_per_second"] > 0 and len(row["seconds"]) == 2 and row["file_bytes"] > 100_000


def test_llama_cpp_gives_the_ids_of_hugging_face_on_hard_texts(tokenizer: Path, tmp_path: Path) -> None:
    write_random_model(tmp_path / "whole.gguf", Case(SHAPE, tokenizer, "qwen35", 384))
    ours = Tokenizer.from_file(str(tokenizer / "tokenizer.json"))
    with llama.opened(tmp_path / "whole.gguf", 64, 1) as model:
        for text in hard_texts(random_texts=200):
            assert llama.token_ids(model, text) == ours.encode(text, add_special_tokens=False).ids
