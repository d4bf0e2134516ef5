"""The tokenizer stage on the sample corpus: exact size, fixed ids, same result twice, exact round trips, chat turns."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from kishi.errors import DataError, ParityError
from kishi.hard_texts import hard_texts
from kishi.jsonl import read_rows, write_rows
from kishi.special_tokens import SPECIAL_IDS
from recipes.hardware import Hardware
from recipes.job import Job
from recipes.loading import load_recipe
from tokenizer.fertility import check_round_trip
from tokenizer.train import run

HARDWARE = Hardware(device="cpu", threads=1, micro_batch_size=1, precision="fp32")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    documents = [row for path in sorted(Path("data/sample/corpus").glob("*.jsonl")) for row in read_rows(path)]
    for language in ("kk", "ru", "en"):
        rows = [{"id": str(number), **row} for number, row in enumerate(documents) if row["lang"] == language]
        write_rows(folder / "corpus/clean" / f"{language}.jsonl.zst", rows[5:])
        write_rows(folder / "heldout" / f"{language}.jsonl.zst", rows[:5])
    return folder


def train(data: Path, folder: Path, **changes: Any) -> dict[str, Any]:
    recipe = load_recipe(Path("recipes/kishi-tiny.yaml"))
    recipe = recipe.model_copy(update={"tokenizer": recipe.tokenizer.model_copy(update=changes)})
    folder.mkdir()
    return run(Job(recipe, HARDWARE, folder, {"data": data}))


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("tokenizer") / "out"
    facts = train(data, folder)
    assert facts["vocab_size"] == 2048
    yield folder


def test_same_text_gives_the_same_file(data: Path, trained: Path, tmp_path: Path) -> None:
    train(data, tmp_path / "again")
    assert (tmp_path / "again/tokenizer.json").read_bytes() == (trained / "tokenizer.json").read_bytes()


def test_special_tokens_have_their_ids_and_three_ends_differ(trained: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(trained)
    assert {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL_IDS} == SPECIAL_IDS
    ends = {tokenizer.eos_token_id, tokenizer.pad_token_id, SPECIAL_IDS["<|im_end|>"]}
    assert ends == {0, 1, 3}


def test_transformers_gives_the_same_ids_and_the_text_back(trained: Path) -> None:
    raw, wrapped = Tokenizer.from_file(str(trained / "tokenizer.json")), AutoTokenizer.from_pretrained(trained)
    for text in hard_texts(random_texts=100):
        ids = raw.encode(text, add_special_tokens=False).ids
        assert wrapped(text).input_ids == ids
        assert wrapped.decode(ids) == text


@settings(max_examples=200, deadline=None)
@given(text=st.text())
def test_any_text_comes_back(trained: Path, text: str) -> None:
    check_round_trip(Tokenizer.from_file(str(trained / "tokenizer.json")), [text])


def test_a_lossy_tokenizer_is_refused(trained: Path) -> None:
    from tokenizers import normalizers

    tokenizer = Tokenizer.from_file(str(trained / "tokenizer.json"))
    tokenizer.normalizer = normalizers.NFC()
    with pytest.raises(ParityError):
        check_round_trip(tokenizer)


def test_a_vocabulary_too_large_names_one_that_works(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        train(data, tmp_path / "large", vocab_size=65_408)
    numbers = [int(word.strip(":;,")) for word in error.value.fix.split() if word.strip(":;,").isdigit()]
    assert train(data, tmp_path / "fits", vocab_size=numbers[0])["vocab_size"] == numbers[0]


def test_only_the_assistants_words_and_their_end_are_trained_on(trained: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(trained)
    messages = [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "Сәлем"},
        {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {"x": "ә"}}}]},
        {"role": "tool", "content": "7"},
        {"role": "assistant", "content": "Жеті"},
    ]
    out = tokenizer.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
    kept = [token for token, mask in zip(out["input_ids"], out["assistant_masks"], strict=True) if mask]
    text = tokenizer.decode(kept)
    assert text.count("<|im_end|>") == 2 and text.endswith("Жеті<|im_end|>")
    assert text.startswith("<tool_call>") and '"x": "ә"' in text and "Сәлем" not in text and "<|im_start|>" not in text
    prompt = tokenizer.apply_chat_template(messages[:2], tokenize=False, add_generation_prompt=True)
    assert tokenizer.apply_chat_template(messages, tokenize=False).startswith(prompt)
