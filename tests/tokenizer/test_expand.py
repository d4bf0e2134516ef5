"""An existing tokenizer and model learn Kazakh: no old id moves, English stays as it was, old logits do not change."""

import json
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoTokenizer,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from kishi.errors import DataError, ParityError
from kishi.jsonl import read_rows
from recipes.schema_pretrain import Tokenizer as Settings
from tokenizer.encoder import HuggingFace
from tokenizer.expand import MIX, Expansion, expand, weigh_text
from tokenizer.fertility import measure_language
from tokenizer.new_rows import expand_model, focus_rows, grow, grow_checked, mean_rows, sparsemax
from tokenizer.peers import LLAMA3, QWEN2

NEW = 300
SETTINGS = Settings(vocab_size=512, mix=MIX, sample_megabytes=8)


def texts(data: Path, language: str, part: str = "corpus/clean") -> list[str]:
    return [row["text"] for row in read_rows(data / part / f"{language}.jsonl.zst")]


def learnt(tokenizer: Tokenizer, texts: Iterable[str], size: int, special: Sequence[str] = ()) -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def byte_level(pattern: str) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def qwen(english: list[str]) -> Tokenizer:
    """Byte-level with an NFC normaliser and end-of-text behind the vocabulary."""
    tokenizer = byte_level(QWEN2)
    tokenizer.normalizer = normalizers.NFC()
    learnt(tokenizer, english, 600).add_special_tokens([AddedToken("<|end|>", special=True)])
    return tokenizer


def llama3(english: list[str]) -> Tokenizer:
    """Byte-level with three digits together, whole words looked up before merges, a beginning token put before each text."""
    tokenizer = learnt(byte_level(LLAMA3), english, 600)
    tokenizer.model.ignore_merges = True  # type: ignore[attr-defined]
    tokenizer.add_special_tokens([AddedToken("<|begin|>", special=True), AddedToken("<|end|>", special=True)])
    tokenizer.post_processor = processors.TemplateProcessing(single="<|begin|> $A", special_tokens=[("<|begin|>", 600)])
    return tokenizer


def byte_fallback(english: list[str], special: Sequence[str]) -> Tokenizer:
    """SentencePiece's kind as BPE: spaces as a letter, unknown letters as bytes, control tokens first."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    letters = sorted(set("".join(english)) | set("абвгдежзийклмнопрстуфхцчшщъыьэюяәғқңөұүһі▁"))
    words = (word for text in english for word in text.replace(" ", " ▁").split(" "))
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=800, special_tokens=[*special, *bytes_], initial_alphabet=letters, show_progress=False)
    tokenizer.train_from_iterator(words, trainer)
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = [token for token in content["added_tokens"] if token["content"] in special]
    return Tokenizer.from_str(json.dumps(content))


def gemma(english: list[str]) -> Tokenizer:
    """No space is put before a text; cut after spaces, of which none are left by then."""
    tokenizer = byte_fallback(english, ["<pad>", "<eos>", "<bos>", "<unk>"])
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return tokenizer


def llama2(english: list[str]) -> Tokenizer:
    """A space is put before each text and taken away when decoding; nothing is cut."""
    tokenizer = byte_fallback(english, ["<unk>", "<s>", "</s>"])
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return tokenizer


KINDS = {"qwen": qwen, "llama3": llama3, "gemma": gemma, "llama2": llama2}


@pytest.fixture(scope="module", params=KINDS)
def pair(request: pytest.FixtureRequest, data: Path) -> tuple[Tokenizer, Expansion]:
    old = KINDS[request.param](texts(data, "en"))
    return old, expand(old, weigh_text(data, SETTINGS, seed=1), NEW)


def test_kazakh_becomes_cheaper_and_english_does_not_change(pair: tuple[Tokenizer, Expansion], data: Path) -> None:
    old, new = pair[0], pair[1].tokenizer
    held = texts(data, "kk", "heldout")
    before, after = (measure_language(HuggingFace("x", one), held)["tokens_per_word"] for one in (old, new))
    assert after < 0.7 * before
    for text in texts(data, "en", "heldout"):
        assert old.encode(text).ids == new.encode(text).ids
    for text in held:
        assert new.decode(new.encode(text, add_special_tokens=False).ids, skip_special_tokens=False) == unicodedata.normalize("NFC", text)


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


def llama_model(size: int) -> Any:
    """A head of its own."""
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}
    return LlamaForCausalLM(LlamaConfig(vocab_size=size, tie_word_embeddings=False, **shape))


def gemma_model(size: int) -> Any:
    """The tied table is scaled where tokens go in, and the vocabulary's size stands in its configuration."""
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}
    return Gemma3ForCausalLM(Gemma3TextConfig(vocab_size=size, head_dim=16, **shape))


def phi_model(size: int) -> Any:
    """The head has a bias."""
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = PhiForCausalLM(PhiConfig(vocab_size=size, **shape))
    torch.nn.init.normal_(model.lm_head.bias)
    return model


@pytest.mark.parametrize("make", [llama_model, gemma_model, phi_model])
@pytest.mark.parametrize("rows_to_spare", [0, 40])
def test_models_of_other_families_grow_and_keep_their_old_logits(make: Any, rows_to_spare: int) -> None:
    torch.manual_seed(0)
    old = byte_level(QWEN2)
    learnt(old, ["a text to learn from"], 260)
    size = old.get_vocab_size()
    model = make(size + rows_to_spare).eval()
    rows = mean_rows({size: (5, 6), size + 1: (7, 8, 9)})
    assert grow_checked(model, rows, old, ["the text of the test"]) <= 1e-5
    table, head = model.get_input_embeddings().weight, model.get_output_embeddings()
    assert len(table) == model.config.vocab_size == size + max(2, rows_to_spare)
    for tensor in (table, head.weight, *(part for part in (head.bias,) if part is not None)):
        torch.testing.assert_close(tensor[size + 1], tensor[[7, 8, 9]].mean(0))
    logits = model(torch.tensor([[1, size, size + 1]])).logits
    assert torch.isfinite(logits).all() and logits.shape[-1] == len(table)
    torch.testing.assert_close(logits[..., size], logits[..., [5, 6]].mean(-1))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("method", ["mean", "focus"])
def test_model_folder_grows_and_keeps_its_old_logits(data: Path, tmp_path: Path, tied: bool, method: Any) -> None:
    old = qwen(texts(data, "en"))
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

    old = qwen(texts(data, "en"))
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

    old = qwen(texts(data, "en"))
    (tmp_path / "old").mkdir()
    old.save(str(tmp_path / "old/tokenizer.json"))
    (tmp_path / "old/tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|end|>"}')
    arguments = [str(tmp_path / "old"), "--text", str(data), "--new", "50", "--out", str(tmp_path / "new")]
    monkeypatch.setattr("sys.argv", ["expand", *arguments])
    assert command.main() == 0
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "new")
    assert len(tokenizer) == old.get_vocab_size() + 50 and tokenizer.eos_token_id == old.token_to_id("<|end|>")
