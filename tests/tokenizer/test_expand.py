"""An existing tokenizer and model learn Kazakh: no old id moves, English stays as it was, old logits do not change."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

from kishi.errors import DataError, ParityError
from kishi.jsonl import read_rows
from recipes.schema import Tokenizer as Settings
from tokenizer.encoder import HuggingFace
from tokenizer.expand import MIX, Expansion, expand, weigh_text
from tokenizer.fertility import measure_language
from tokenizer.new_rows import expand_model, focus_rows, grow, mean_rows, sparsemax
from tokenizer.pattern import PATTERN

NEW = 300
SETTINGS = Settings(vocab_size=512, mix=MIX, sample_megabytes=8)


def texts(data: Path, language: str, part: str = "corpus/clean") -> list[str]:
    return [row["text"] for row in read_rows(data / part / f"{language}.jsonl.zst")]


def byte_level(english: list[str]) -> Tokenizer:
    """Qwen's kind: byte-level, end-of-text behind the vocabulary."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(PATTERN), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        english, trainers.BpeTrainer(vocab_size=600, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False)
    )
    tokenizer.add_special_tokens([AddedToken("<|end|>", special=True)])
    return tokenizer


def byte_fallback(english: list[str]) -> Tokenizer:
    """Gemma's kind: spaces as a letter, unknown letters as bytes."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    special = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    letters = sorted(set("".join(english)) | set("абвгдежзийклмнопрстуфхцчшщъыьэюяәғқңөұүһі▁"))
    words = (word for text in english for word in text.replace(" ", " ▁").split(" "))
    tokenizer.train_from_iterator(
        words, trainers.BpeTrainer(vocab_size=800, special_tokens=special, initial_alphabet=letters, show_progress=False)
    )
    content = tokenizer.to_str().replace('"special":true', '"special":false')
    return Tokenizer.from_str(content)


@pytest.fixture(scope="module", params=[byte_level, byte_fallback], ids=["byte-level", "byte-fallback"])
def pair(request: pytest.FixtureRequest, data: Path) -> tuple[Tokenizer, Expansion]:
    old = request.param(texts(data, "en"))
    return old, expand(old, weigh_text(data, SETTINGS, seed=1), NEW)


def test_kazakh_becomes_cheaper_and_english_does_not_change(pair: tuple[Tokenizer, Expansion], data: Path) -> None:
    old, new = pair[0], pair[1].tokenizer
    held = texts(data, "kk", "heldout")
    before, after = (measure_language(HuggingFace("x", one), held)["tokens_per_word"] for one in (old, new))
    assert after < 0.7 * before
    for text in texts(data, "en", "heldout"):
        assert old.encode(text).ids == new.encode(text).ids
    assert all(new.decode(new.encode(text).ids, skip_special_tokens=False) == text for text in held)


def test_old_ids_stay_and_new_ones_follow_in_one_run(pair: tuple[Tokenizer, Expansion]) -> None:
    old, expansion = pair
    before, after = old.get_vocab(), expansion.tokenizer.get_vocab()
    assert {token: after[token] for token in before} == before
    assert sorted(expansion.pieces) == list(range(len(before), len(before) + NEW))


def test_pieces_spell_their_token(pair: tuple[Tokenizer, Expansion]) -> None:
    old, expansion = pair
    for new, pieces in expansion.pieces.items():
        assert "".join(old.id_to_token(piece) for piece in pieces) == expansion.tokenizer.id_to_token(new)
        assert len(pieces) > 1


@settings(max_examples=150, deadline=None)
@given(text=st.text())
def test_any_text_decodes_as_before(pair: tuple[Tokenizer, Expansion], text: str) -> None:
    old, new = pair[0], pair[1].tokenizer
    assert new.decode(new.encode(text).ids, skip_special_tokens=False) == old.decode(old.encode(text).ids, skip_special_tokens=False)


def test_a_model_that_is_no_bpe_is_refused(data: Path) -> None:
    with pytest.raises(DataError, match="no merges"):
        expand(Tokenizer(models.WordLevel({"a": 0}, unk_token="a")), {"ә": 1.0}, 1)


def tiny_model(size: int, tied: bool) -> Any:
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
    )
    config.tie_word_embeddings = tied
    return Qwen3ForCausalLM(config).eval()


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("method", ["mean", "focus"])
def test_model_folder_grows_and_keeps_its_old_logits(data: Path, tmp_path: Path, tied: bool, method: Any) -> None:
    old = byte_level(texts(data, "en"))
    expansion = expand(old, weigh_text(data, SETTINGS, seed=1), NEW)
    model = tiny_model(old.get_vocab_size() + 40, tied)  # as Qwen's: more rows than tokens
    model.save_pretrained(tmp_path / "old")
    assert expand_model(tmp_path / "old", tmp_path / "new", old, expansion, method, data) <= 1e-5
    grown: Any = Qwen3ForCausalLM.from_pretrained(tmp_path / "new")
    head, table = grown.get_output_embeddings().weight, grown.get_input_embeddings().weight
    assert len(table) == grown.config.vocab_size == old.get_vocab_size() + NEW
    assert torch.equal(head, table) == tied
    first = min(expansion.pieces)
    assert torch.equal(table[:first], model.get_input_embeddings().weight[:first])
    if method == "mean":
        pieces = list(expansion.pieces[first])
        torch.testing.assert_close(table[first], table[pieces].mean(0))
        torch.testing.assert_close(head[first], head[pieces].mean(0))
    assert (table[first:].norm(dim=1) > 0).all()


def test_changed_old_rows_are_noticed(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tokenizer import new_rows

    old = byte_level(texts(data, "en"))
    model = tiny_model(old.get_vocab_size(), tied=True)

    def careless(model: Any, rows: Any, old_size: int) -> None:
        grow(model, rows, old_size)
        model.get_input_embeddings().weight.data[5] += 1

    monkeypatch.setattr(new_rows, "grow", careless)
    with pytest.raises(ParityError, match="old-vocabulary logits"):
        new_rows.grow_checked(model, mean_rows({old.get_vocab_size(): (5, 6)}), old, ["the text of the test"])


def test_focus_finds_the_token_that_is_used_alike() -> None:
    # 9 is new and stands where 1 stands; 2 stands elsewhere
    documents = [[3, 1, 4], [3, 9, 4], [5, 2, 6], [6, 2, 5]] * 20
    ids, weights = focus_rows({9: (2, 5)}, documents, 10)[9]
    assert int(ids[weights.argmax()]) == 1 and float(weights.sum()) == pytest.approx(1, abs=1e-5)
    unseen, equal = focus_rows({9: (2, 5)}, documents[:1] * 3, 10)[9]
    assert unseen.tolist() == [2, 5] and equal.tolist() == [0.5, 0.5]


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=20))
def test_sparsemax_is_a_distribution(scores: list[float]) -> None:
    weights = sparsemax(torch.tensor(scores))
    assert float(weights.sum()) == pytest.approx(1, abs=1e-4) and (weights >= 0).all()


def test_transformers_reads_the_expanded_folder(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tokenizer import expand as command

    old = byte_level(texts(data, "en"))
    (tmp_path / "old").mkdir()
    old.save(str(tmp_path / "old/tokenizer.json"))
    (tmp_path / "old/tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|end|>"}')
    arguments = [str(tmp_path / "old"), "--text", str(data), "--new", "50", "--out", str(tmp_path / "new")]
    monkeypatch.setattr("sys.argv", ["expand", *arguments])
    assert command.main() == 0
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "new")
    assert len(tokenizer) == old.get_vocab_size() + 50 and tokenizer.eos_token_id == old.token_to_id("<|end|>")
