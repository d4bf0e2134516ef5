"""Every runtime gives the ids of Hugging Face's tokenizers on any text: transformers, fastokens (the index), tiktoken, llama.cpp."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from bench.random_model import Case, write_random_model
from data_prep.encoder import FAST, Encoder
from quantize import llama
from recipes.schema_pretrain import Model
from tokenizer.encoder import HuggingFace, with_tiktoken
from tokenizer.fertility import check_round_trip
from tokenizer.pattern import PATTERN
from tokenizer.train import train, write_companions

SHAPE = Model(layers=1, hidden_size=64, ffn_hidden_size=64, attention_heads=1, kv_heads=1, head_dim=64)
VOCABULARY = 4096
# one or two of each kind that the pattern tells apart: letters, marks, numbers, signs, spaces, line ends, contractions
KINDS = "aSЖәй 1٣½Ⅷ\u0301\u093f'\n\r\t\u00a0\u3000\u2028-_.!«»漢👩\u200d\x00tl"
# runtimes know different versions of Unicode: a character that is not assigned may be a letter to one of them only
ANY = st.text(st.characters(exclude_categories=("Cs", "Cn", "Co")))
TEXTS = st.one_of(ANY, st.text(KINDS, max_size=40))
Encode = Callable[[str], list[int]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Merges learnt over whole texts: they join whatever the pattern does not hold apart, so that every cut shows in the ids."""
    generator, folder = random.Random(1), tmp_path_factory.mktemp("crossing")
    texts = {"".join(generator.choices(KINDS, k=60)): 2.0 for _ in range(900)}
    train(texts, VOCABULARY, 2).save(str(folder / "tokenizer.json"))
    write_companions(folder, 64)
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Tokenizer:
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


@pytest.fixture(scope="module")
def exact(tokenizer: Tokenizer) -> Encode:
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


@pytest.fixture(scope="module")
def as_text(folder: Path) -> Tokenizer:
    """Text that spells a control token stays text, as the index wants it."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.encode_special_tokens = True
    return tokenizer


@pytest.fixture(scope="module")
def fast(folder: Path) -> Encoder:
    return Encoder(folder)


@pytest.fixture(scope="module")
def by_llama_cpp(folder: Path) -> Iterator[Encode]:
    write_random_model(folder / "model.gguf", Case(SHAPE, folder, "qwen35", VOCABULARY), context=64)
    with llama.opened(folder / "model.gguf", 64, 1) as model:
        yield lambda text: llama.token_ids(model, text)


@pytest.fixture(scope="module")
def by_transformers(folder: Path) -> Encode:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    return lambda text: tokenizer(text).input_ids


def test_a_cut_in_another_place_would_show(folder: Path, exact: Encode) -> None:
    uncut = Tokenizer.from_file(str(folder / "tokenizer.json"))
    uncut.pre_tokenizer = uncut.pre_tokenizer[1]  # type: ignore[index]
    pairs = [one + other for one in KINDS for other in KINDS]
    cut = [pair for pair in pairs if len(regex.findall(PATTERN, pair)) == 2]
    assert len(cut) > 500
    assert sum(uncut.encode(pair).ids != exact(pair) for pair in cut) > 0.6 * len(cut)


@settings(max_examples=500, deadline=None)
@given(text=TEXTS)
def test_any_text_comes_back(tokenizer: Tokenizer, text: str) -> None:
    check_round_trip(tokenizer, [text])


@settings(max_examples=1000, deadline=None)
@given(text=TEXTS)
def test_llama_cpp_agrees(exact: Encode, by_llama_cpp: Encode, text: str) -> None:
    assert by_llama_cpp(text) == exact(text)


@settings(max_examples=500, deadline=None)
@given(text=TEXTS)
def test_transformers_agrees(exact: Encode, by_transformers: Encode, text: str) -> None:
    assert by_transformers(text) == exact(text)


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(TEXTS, min_size=10, max_size=30))
def test_the_fast_encoder_of_the_index_agrees(fast: Encoder, as_text: Tokenizer, texts: list[str]) -> None:
    assert fast.name == FAST
    ids, places = fast.encode(texts)
    assert [part.tolist() for part in np.split(ids, places[1:-1])] == [as_text.encode(text).ids for text in texts]


def test_tiktoken_agrees(folder: Path) -> None:
    pytest.importorskip("tiktoken", reason="a peer package (make setup-peers)")
    ours = HuggingFace("ours", Tokenizer.from_file(str(folder / "tokenizer.json")))
    theirs, generator = with_tiktoken(ours), random.Random(2)
    texts = ["".join(generator.choices(KINDS, k=40)) for _ in range(300)]
    assert theirs.encode_batch(texts) == ours.encode_batch(texts)
