"""The decode benchmark on models of a few thousand weights: llama.cpp loads them, cuts text as Hugging Face does, and is timed."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from bench.decode import compared, measure
from bench.random_model import QWEN3_06B, QWEN25_05B, QWEN_ROWS, Case, count_weights, write_random_model
from kishi.hard_texts import hard_texts
from quantize import llama
from recipes.schema_pretrain import Model
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


def test_tensors_hold_as_many_weights_as_the_shape_says(tokenizer: Path) -> None:
    assert count_weights(Case(SHAPE, tokenizer, "qwen35", 1000)) == SHAPE.parameters(1000)


def test_published_models_have_their_published_sizes(tokenizer: Path) -> None:
    assert round(count_weights(Case(QWEN3_06B, tokenizer, "qwen2", QWEN_ROWS)) / 1e6) == 596  # "0.6B"
    assert round(count_weights(Case(QWEN25_05B, tokenizer, "qwen2", QWEN_ROWS, architecture="qwen2")) / 1e6) == 494  # "0.49B"


def test_models_take_turns_a_larger_vocabulary_is_counted_and_a_second_run_goes_on(tokenizer: Path, tmp_path: Path) -> None:
    small = Case(SHAPE, tokenizer, "qwen35", 384)
    cases = {"small": small, "rows": replace(small, rows=512), "biases": replace(small, architecture="qwen2")}
    texts = ["қалаға балалар кітаптар", "ауылға жолды"]
    rows = compared(measure(cases, texts, tokens=4, rounds=1, threads=1, folder=tmp_path), "small")
    words = 5
    expected = sum(len(Tokenizer.from_file(str(tokenizer / "tokenizer.json")).encode(text).ids) for text in texts)
    for row in rows.values():
        assert row["tokens_per_word"] == round(expected / words, 4) and row["of_it_fewer_tokens"] == 1
        assert row["words_per_second"] == pytest.approx(row["tokens_per_second"] * words / expected, abs=0.01)
        assert len(row["turns"]) == 1 and row["file_bytes"] > 100_000
    assert rows["rows"]["parameters"] - rows["small"]["parameters"] == 128 * 256
    files = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.gguf")}
    again = measure(cases, texts, tokens=4, rounds=2, threads=1, folder=tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.gguf")} == files and len(files) == 3
    assert all(row["turns"][:1] == rows[name]["turns"] and len(row["turns"]) == 2 for name, row in again.items())


def test_llama_cpp_gives_the_ids_of_hugging_face_on_hard_texts(tokenizer: Path, tmp_path: Path) -> None:
    write_random_model(tmp_path / "whole.gguf", Case(SHAPE, tokenizer, "qwen35", 384), 64)
    ours = Tokenizer.from_file(str(tokenizer / "tokenizer.json"))
    with llama.opened(tmp_path / "whole.gguf", 64, 1) as model:
        for text in hard_texts(random_texts=200):
            assert llama.token_ids(model, text) == ours.encode(text, add_special_tokens=False).ids
