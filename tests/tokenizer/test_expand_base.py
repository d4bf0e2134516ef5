"""The tokenizer stage of a recipe with a base: exactly so many tokens, Kishi's special ones among them, the base's ids untouched."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from kishi.errors import ArtefactError, DataError, RecipeError
from kishi.special_tokens import NAMED, ids_in
from recipes.job import Job
from recipes.loading import load_recipe
from recipes.schema import Recipe
from recipes.schema_pretrain import Base
from tests.pipeline import base_model
from tests.tokenizer.conftest import HARDWARE
from tokenizer import expand_base


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    base_model.write(folder, tied=True)
    return folder


def recipe(base: Path, size: int) -> Recipe:
    tiny = load_recipe(Path("recipes/kishi-tiny.yaml"))
    settings = tiny.tokenizer.model_copy(update={"vocab_size": size, "mix": {"kk": 0.8, "ru": 0.2}, "sample_megabytes": 8})
    return tiny.model_copy(update={"model": None, "base": Base(path=str(base), license="MIT", rows="mean"), "tokenizer": settings})


@pytest.fixture(scope="module")
def grown(base: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grown")
    facts = expand_base.run(Job(recipe(base, 1024), HARDWARE, folder, {"data": data}))
    assert (facts["vocab_size"], facts["base_tokens"], facts["base_rows"]) == (1024, base_model.TOKENS, base_model.ROWS)
    assert facts["fertility"]["kk"]["tokens_per_word"] < 0.7 * facts["base_fertility"]["kk"]["tokens_per_word"]
    assert facts["fertility"]["en"]["tokens"] == facts["base_fertility"]["en"]["tokens"]
    return folder


def test_old_ids_stay_and_the_special_tokens_are_all_there(base: Path, grown: Path) -> None:
    old, new = (Tokenizer.from_file(str(folder / "tokenizer.json")) for folder in (base, grown))
    vocabulary = new.get_vocab()
    assert sorted(vocabulary.values()) == list(range(1024)) and old.get_vocab().items() <= vocabulary.items()
    ids = ids_in(grown)
    assert (ids["<|endoftext|>"], ids["<|im_end|>"], ids["<tool_call>"]) == (600, 602, 603)  # the base's own
    tokenizer = AutoTokenizer.from_pretrained(grown)
    assert {token: tokenizer.convert_tokens_to_ids(token) for token in NAMED} == ids
    assert (tokenizer.eos_token_id, tokenizer.pad_token_id) == (600, ids["<|pad|>"])
    assert tokenizer.apply_chat_template([{"role": "user", "content": "қала"}], tokenize=False).startswith(
        "<|im_start|>user\nқала<|im_end|>"
    )


def test_text_comes_back_as_it_was_and_spelt_tokens_stay_text(grown: Path) -> None:
    tokenizer = Tokenizer.from_file(str(grown / "tokenizer.json"))
    for text in ("e\u0301t\u00e9 Қазақстан", "<tool_call> is text here"):
        tokenizer.encode_special_tokens = True
        ids = tokenizer.encode(text).ids
        assert tokenizer.decode(ids, skip_special_tokens=False) == text and not set(ids) & set(ids_in(grown).values())


def test_the_model_gets_a_row_for_each_new_token(base: Path, data: Path, grown: Path, tmp_path: Path) -> None:
    facts = expand_base.run_model(Job(recipe(base, 1024), HARDWARE, tmp_path, {"data": data, "tokenizer": grown}))
    assert facts["rows"] == {"base": 640, "expanded": 1024, "method": "mean"} and facts["old_logits_difference"] <= 1e-5
    weights, before = (load_file(folder / "model.safetensors") for folder in (tmp_path, base))
    table, old = weights["model.embed_tokens.weight"], before["model.embed_tokens.weight"]
    assert table.shape[0] == 1024 and torch.equal(table[: base_model.TOKENS], old[: base_model.TOKENS]) and "lm_head.weight" not in weights
    pieces = json.loads((grown / "new_tokens.json").read_text())
    assert sorted(map(int, pieces)) == list(range(base_model.TOKENS, 1024))
    pad = ids_in(grown)["<|pad|>"]
    torch.testing.assert_close(table[pad], old[pieces[str(pad)]].mean(0))
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["vocab_size"], config["eos_token_id"], config["pad_token_id"]) == (1024, 600, pad)


@pytest.mark.parametrize(("size", "error", "message"), [(512, RecipeError, "at least 640"), (131072, DataError, "the text gives only")])
def test_sizes_that_cannot_be_had(base: Path, data: Path, tmp_path: Path, size: int, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        expand_base.run(Job(recipe(base, size), HARDWARE, tmp_path, {"data": data}))


def test_a_base_that_lost_a_weight_is_refused(base: Path, data: Path, grown: Path, tmp_path: Path) -> None:
    """The library would draw it at random, with a warning."""
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in base.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    weights = load_file(broken / "model.safetensors")
    del weights["model.layers.1.self_attn.k_norm.weight"]
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "out").mkdir()
    with pytest.raises(ArtefactError, match=r"1 weights are missing: model\.layers\.1\.self_attn\.k_norm\.weight"):
        expand_base.run_model(Job(recipe(broken, 1024), HARDWARE, tmp_path / "out", {"data": data, "tokenizer": grown}))
