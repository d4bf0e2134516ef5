"""Bits of text are the same question for every tokenizer, and a model that is not whole is refused."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from eval import any_model, bits, held_out
from eval.held_out import HeldOut
from kishi.bits_per_byte import Window
from kishi.errors import ArtefactError
from tests.eval.peers import write

TEXTS = [{"id": "1", "text": "Дала кең екен, жел соғып тұр."}, {"id": "2", "text": "Spring came late to the steppe this year."}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("peer"))


@pytest.fixture(scope="module")
def peer(folder: Path) -> Iterator[Any]:
    with any_model.opened(str(folder), 128, chat=False) as model:
        yield model


def _by_hand(model: Any, text: str) -> float:
    """Bits of a text after one begin-of-text token, a token at a time."""
    ids, total = [1, *model.tokenizer(text, add_special_tokens=False)["input_ids"]], 0.0
    with torch.no_grad():
        logits = model.model(torch.tensor([ids])).logits[0].log_softmax(-1)
    for place in range(1, len(ids)):
        total -= float(logits[place - 1, ids[place]])
    return total / math.log(2)


def test_bits_are_those_of_the_text_after_one_begin_of_text_token(peer: Any) -> None:
    rows = bits.per_text(peer, TEXTS, halves=False, name="peer")
    for row, given in zip(rows, TEXTS, strict=True):
        assert row["bits"] == pytest.approx(_by_hand(peer, given["text"]), rel=1e-5)
        assert row["bytes"] == len(given["text"].encode()) and row["lossless"]
    figures = bits.summarise("bits_per_byte", rows)
    assert figures["bits_per_byte"] == round(sum(row["bits"] for row in rows) / sum(row["bytes"] for row in rows), 5)
    held = held_out.cut_by(peer, {"kk": HeldOut([row["text"] for row in TEXTS], [], 0)})["kk"]
    assert held.bits_per_byte(peer.negative_log_likelihood, peer.length) == pytest.approx(figures["bits_per_byte"], abs=1e-5)


def test_the_halves_of_a_sentence_add_up_to_the_whole(peer: Any) -> None:
    """Nothing at the cut is left unpaid for: bits(first) + bits(second | first) = bits(whole)."""
    for row in TEXTS:
        second = bits.per_text(peer, [row], halves=True, name="peer")[0]
        at = bits.middle(row["text"])
        assert _by_hand(peer, row["text"][:at]) + second["bits"] == pytest.approx(_by_hand(peer, row["text"]), rel=1e-5)
        assert second["bytes"] == len(row["text"][at:].encode())


def test_a_token_across_the_cut_is_paid_for_in_full(peer: Any) -> None:
    """A text without spaces is cut inside a token: the whole token counts, never less than the second half."""
    text = "далалықтардыңкеңістігі"
    row = bits.per_text(peer, [{"id": "", "text": text}], halves=True, name="peer")[0]
    first = peer.encode(text[: bits.middle(text)])
    whole = peer.encode(text)
    same = next((place for place, (a, b) in enumerate(zip(first, whole, strict=False)) if a != b), len(first))
    assert same < len(first) and row["tokens"] == len(whole) - same


def test_a_long_sentence_in_windows_leaves_out_no_token() -> None:
    class Letters:
        length, start = 8, 0

        def encode(self, text: str) -> list[int]:
            return [ord(letter) for letter in text]

        def decode(self, ids: list[int]) -> str:
            return "".join(map(chr, ids))

        def nats(self, cut: list[Window]) -> list[float]:
            return [window.scored * math.log(2) for window in cut]  # a bit a token

    row = bits.per_text(Letters(), [{"id": "", "text": "abcde fghij klmno pqrst uvwxy"}], halves=True, name="letters")[0]
    assert row["bits"] == pytest.approx(row["bytes"]) and row["bytes"] == len(" klmno pqrst uvwxy")


def test_a_tokenizer_that_changes_the_text_is_marked(tmp_path: Path) -> None:
    with any_model.opened(str(write(tmp_path, lossy=True)), 128, chat=False) as model:
        rows = bits.per_text(model, [{"id": "", "text": "ДАЛА"}, {"id": "", "text": "дала"}, {"id": "", "text": "дала 中"}], False, "lossy")
    assert [row["lossless"] for row in rows] == [False, True, False]
    assert bits.summarise("bits_per_byte", rows)["lossy_texts"] == 2


@pytest.mark.parametrize("lost", ["model.layers.1.mlp.up_proj.weight", "lm_head.weight"])
def test_a_folder_that_lost_a_tensor_is_refused(folder: Path, tmp_path: Path, lost: str) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    del weights[lost]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with (
        pytest.raises(ArtefactError, match=f"1 tensors of its configuration are missing.*{lost}"),
        any_model.opened(str(tmp_path), 64, False),
    ):
        pass


def test_a_tensor_of_another_shape_and_files_cut_off_are_refused(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    weights["model.norm.weight"] = torch.ones(47)
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ArtefactError, match=r"another shape|no whole model"), any_model.opened(str(tmp_path), 64, False):
        pass
    whole = (folder / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArtefactError, match="no whole model"), any_model.opened(str(tmp_path), 64, False):
        pass


def test_what_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="cannot be opened"), any_model.opened(str(tmp_path), 64, False):
        pass
    with pytest.raises(ArtefactError, match="no such model"):
        any_model.identity(str(tmp_path / "none.gguf"), None)
