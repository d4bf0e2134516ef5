"""What a tokenizer costs on given texts, and whether it is exact. docs/tokenizer.md says what each figure means."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import regex
from tokenizers import Tokenizer

from kishi.errors import ParityError
from kishi.hard_texts import hard_texts
from recipes.schema_pretrain import Model
from tokenizer.encoder import Encoder, HuggingFace

_WORD = regex.compile(r"\p{L}[\p{L}\p{M}]*")
_TIMED_SECONDS = 1.0


def check_round_trip(tokenizer: Tokenizer, texts: Sequence[str] | None = None) -> None:
    """Raise ParityError at the first text (default: kishi.hard_texts) that does not come back exactly."""
    for text in hard_texts() if texts is None else texts:
        back = tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids, skip_special_tokens=False)
        if back != text:
            raise ParityError(f"round trip is not exact: {text!r} came back as {back!r}", where="tokenizer")


def exact_round_trips(encoder: Encoder, texts: Sequence[str]) -> int:
    """How many of the texts come back exactly."""
    return sum(encoder.decode(ids) == text for text, ids in zip(texts, encoder.encode_batch(texts), strict=True))


def measure(encoder: Encoder, texts: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Figures per language over all its texts; `tokens_against_en` only where there are as many as in English, as translations are."""
    rows = {language: row for language, documents in texts.items() if (row := measure_language(encoder, documents))}
    if "en" in rows:
        for row in (row for language, row in rows.items() if len(texts[language]) == len(texts["en"])):
            row["tokens_against_en"] = round(row["tokens"] / rows["en"]["tokens"], 4)
    return rows


def measure_language(encoder: Encoder, documents: Sequence[str]) -> dict[str, Any]:
    """Empty when there are no words. A word is what white space separates; `whole_words` looks at runs of letters after a space."""
    ids = [number for one in encoder.encode_batch(documents) for number in one]
    words, size = sum(len(text.split()) for text in documents), sum(len(text.encode("utf-8")) for text in documents)
    if not ids or not words:
        return {}
    found = Counter(word for text in documents for word in _WORD.findall(text))
    cut = encoder.encode_batch([" " + word for word in found])
    whole = sum(number for number, pieces in zip(found.values(), cut, strict=True) if len(pieces) == 1)
    single = sum(number for token, number in Counter(ids).items() if len(piece := encoder.token_bytes(token)) == 1 and piece[0] >= 0x80)
    return {
        "tokens": len(ids),
        "words": words,
        "tokens_per_word": round(len(ids) / words, 4),
        "bytes_per_token": round(size / len(ids), 4),
        "whole_words": round(whole / max(1, found.total()), 4),
        "single_bytes": round(single / len(ids), 4),
    }


def megabytes_per_second(encoder: Encoder, texts: Sequence[str]) -> float:
    """UTF-8 MB encoded a second of CPU time (all threads), after one round to warm up."""
    encoder.encode_batch(texts)
    size, rounds, begin = sum(len(text.encode("utf-8")) for text in texts), 0, time.process_time()
    while time.process_time() - begin < _TIMED_SECONDS:
        encoder.encode_batch(texts)
        rounds += 1
    return size * rounds / 1e6 / (time.process_time() - begin)


def flops_per_token(model: Model, vocab_size: int, context: int) -> float:
    """Of one forward step: two for each weight that is multiplied (the tied table once, as the head), and attention over `context` tokens.

    Counted as in arXiv 2001.08361, section 2.1, with the head added: a larger vocabulary costs more per token.
    """
    return 2 * model.parameters(vocab_size) + 4 * model.layers * model.attention_heads * model.head_dim * context


def check_same_ids(ours: HuggingFace, other: Encoder, texts: Sequence[str]) -> None:
    """Raise ParityError at the first text that a second implementation of the same tokenizer cuts differently."""
    for text, expected, got in zip(texts, ours.encode_batch(texts), other.encode_batch(texts), strict=True):
        if expected != got:
            raise ParityError(f"{other.name} gives other ids for {text[:80]!r}: {got[:8]} instead of {expected[:8]}", where="token ids")
