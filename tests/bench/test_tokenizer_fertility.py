"""The sets that tokenizers are measured on do not overlap, and the merges shown are those that the tokenizer makes."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer

from bench.tokenizer_fertility import merge_steps, on_untouched
from bench.tokenizer_texts import untouched
from kishi.jsonl import write_rows
from tokenizer.encoder import HuggingFace
from tokenizer.train import train


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    words = ["қала", "қалалар", "қалада", "қалаларда", "дала", "далалар", "далада", "баларда", "балалар"]
    return train({f" {word}": 9.0 + place for place, word in enumerate(words)}, 340, 2)


@pytest.mark.parametrize("word", [" қалаларда", " балада", "x"])
def test_the_last_step_is_how_the_tokenizer_cuts_the_word(tokenizer: Tokenizer, word: str) -> None:
    steps = merge_steps(tokenizer, word)
    encoder = HuggingFace("x", tokenizer)
    assert steps[0] == list(word)
    assert [part.encode() for part in steps[-1]] == [encoder.token_bytes(number) for number in encoder.encode_batch([word])[0]]
    assert all("".join(step) == word for step in steps) and [len(step) for step in steps] == sorted({*map(len, steps)}, reverse=True)


def test_a_letter_that_no_merge_puts_together_is_shown_as_a_letter(tokenizer: Tokenizer) -> None:
    assert merge_steps(tokenizer, "ѣ") == [["ѣ"]]


def test_untouched_texts_hold_nothing_of_what_was_looked_at(tokenizer: Tokenizer, tmp_path: Path) -> None:
    for language in ("kk", "ru", "en"):
        rows = [{"id": f"flores/{number}", "text": f"{language} seen {number}"} for number in range(2)]
        write_rows(tmp_path / f"{language}.jsonl.zst", [*rows, {"id": "udhr/1", "text": f"{language} rights"}])
    topics = [
        {"id": f"sib200/{language}/{number}", "lang": language, "text": text}
        for language in ("kk", "ru", "en")
        for number, text in ((1, f"{language} new"), (2, "en seen 1 " if language == "en" else f"{language} seen otherwise"))
    ]
    write_rows(tmp_path / "sib200_kk_ru_en.jsonl.zst", topics)
    pairs = [
        {"source": source, "src_lang": "kk", "tgt_lang": other, "source_text": "бір", "target_text": f"{source} {other}"}
        for source in ("Tatoeba x", "turkic-interlingua")
        for other in ("ru", "en")
    ]
    write_rows(tmp_path / "translation_kk_ru_en.jsonl.zst", pairs)
    sets = untouched(tmp_path, tmp_path)
    assert sets["flores dev"] == {language: [f"{language} new"] for language in ("kk", "ru", "en")}
    assert sets["udhr"]["ru"] == ["ru rights"]
    assert sets["tatoeba phrases"] == {"kk": ["бір"], "ru": ["Tatoeba x ru"], "en": ["Tatoeba x en"]}
    rows_of = on_untouched([HuggingFace("ours", tokenizer)], sets)["x-wmt news"]["ours"]
    assert rows_of["kk"]["words"] == 1 and rows_of["kk"]["tokens_per_word"] >= 1
