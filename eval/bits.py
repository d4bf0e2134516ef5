"""Bits of text by any model, whatever its tokenizer: counted on the bytes of the text, never on tokens.

`bits_per_byte`: whole texts. `bits_per_sentence`: the second half of a sentence given the first, as Goldfish does (Chang and others 2024,
arXiv 2408.10441), but cut at the space nearest to the middle, where the words of every tokenizer end.
"""

import math
from collections.abc import Sequence
from typing import Any, Protocol

from eval.scores import mean_interval
from kishi.bits_per_byte import Window, windows
from kishi.errors import ArtefactError

Row = dict[str, Any]


class Reader(Protocol):
    """A model that is open; `start` stands before each text: its begin-of-text token, or end-of-text where it has none."""

    @property
    def length(self) -> int: ...

    @property
    def start(self) -> int: ...

    def encode(self, text: str) -> list[int]:
        """Token ids without special tokens."""

    def decode(self, ids: list[int]) -> str: ...

    def nats(self, cut: list[Window]) -> list[float]:
        """Of the scored tokens of each window."""


def per_text(model: Reader, documents: Sequence[Row], halves: bool, name: str) -> list[Row]:
    """Raw rows: `bytes` and `bits` of the scored text, its tokens, and whether the tokenizer gives the text back whole."""
    cut = [_second_half(model, row["text"]) if halves else _whole(model, row["text"]) for row in documents]
    nats = iter(model.nats([window for found, _ in cut for window in found]))
    rows = []
    for row, (found, text) in zip(documents, cut, strict=True):
        bits = sum(next(nats) for _ in found) / math.log(2)
        if not math.isfinite(bits):
            raise ArtefactError(f"bits of {row['text'][:60]!r} are {bits}", where=f"model {name}", fix="its weights hold NaN or infinity")
        counts = {"bytes": len(text.encode("utf-8")), "tokens": sum(window.scored for window in found)}
        rows.append({"id": row["id"], "text": row["text"], **counts, "bits": bits, "lossless": gives_back(model, row["text"])})
    return rows


def gives_back(model: Reader, text: str) -> bool:
    """Whether the tokens stand for this very text: one that drops accents or unknown letters pays for an easier text than it was given."""
    back = model.decode(model.encode(text))
    return text in (back, back[1:] if back.startswith(" ") else back)


def _whole(model: Reader, text: str) -> tuple[list[Window], str]:
    return windows(model.encode(text), model.start, model.length), text


def _second_half(model: Reader, text: str) -> tuple[list[Window], str]:
    """Scored is all from the first token on that the first half alone does not begin with: never less than the second half."""
    at = middle(text)
    first, whole = model.encode(text[:at]), model.encode(text)
    same = next((place for place, (a, b) in enumerate(zip(first, whole, strict=False)) if a != b), min(len(first), len(whole)))
    return _from(windows(whole, model.start, model.length), same), text[at:]


def _from(cut: list[Window], first: int) -> list[Window]:
    """The windows without the scores of the first so many tokens."""
    kept, before = [], 0
    for window in cut:
        scored = min(window.scored, before + window.scored - first)
        before += window.scored
        if scored > 0:
            kept.append(Window(window.tokens, scored))
    return kept


def middle(text: str) -> int:
    """Place of the space nearest to the middle letter (the first of two); a text without spaces is cut at the letter."""
    half = len(text) // 2
    spaces = [place for place, letter in enumerate(text) if letter == " " and place]
    return min(spaces, key=lambda place: (abs(place - half), place)) if spaces else half


def summarise(kind: str, rows: Sequence[Row]) -> dict[str, Any]:
    """Figures from raw rows: a long text counts more per byte, each sentence counts once per sentence."""
    bits, size = [row["bits"] for row in rows], [row["bytes"] for row in rows]
    lossy = sum(not row["lossless"] for row in rows)
    figures: dict[str, Any] = {"n": len(rows), "bits_per_byte": round(sum(bits) / sum(size), 5), "lossy_texts": lossy}
    if kind == "bits_per_sentence":
        return {**figures, "bits_per_sentence": round(sum(bits) / len(bits), 4), "bits_per_sentence_interval": mean_interval(bits)}
    return {**figures, "bits_per_byte_interval": _ratio_interval(bits, size)}


def _ratio_interval(bits: Sequence[float], size: Sequence[int]) -> list[float]:
    """95 % percentile bootstrap over texts."""
    import numpy as np

    places = np.random.default_rng(0).integers(len(bits), size=(1000, len(bits)))
    ratios = np.asarray(bits)[places].sum(1) / np.asarray(size)[places].sum(1)
    return [round(float(value), 5) for value in np.percentile(ratios, [2.5, 97.5])]
