"""Held-out documents, and bits per byte of anything that can give log-probabilities for their tokens."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from tokenizers import Tokenizer

from eval.bits import Reader
from kishi.bits_per_byte import Window, bits_per_byte, windows
from kishi.errors import ArtefactError
from kishi.jsonl import read_rows
from kishi.special_tokens import END_OF_TEXT

# windows -> nats of their scored tokens, summed
Scorer = Callable[[list[Window]], float]


@dataclass(frozen=True)
class HeldOut:
    """Documents of one language, and each as token ids; `start` is the id of end-of-text, which stands before each."""

    texts: list[str]
    documents: list[list[int]]
    start: int

    @property
    def tokens(self) -> int:
        """In all documents."""
        return sum(map(len, self.documents))

    def bits_per_byte(self, score: Scorer, length: int) -> float:
        """On windows of at most `length` tokens; not finite when the score is not."""
        cut = [window for ids in self.documents for window in windows(ids, self.start, length)]
        return round(bits_per_byte(score(cut), sum(len(text.encode("utf-8")) for text in self.texts)), 5)


def load(data: Path, tokenizer: Tokenizer, languages: tuple[str, ...], most: int | None = None) -> dict[str, HeldOut]:
    """Per language; with `most` the first documents that together have so many tokens or just more.

    Raises ArtefactError when a language has no held-out document.
    """
    result = {}
    for language in languages:
        path = data / "heldout" / f"{language}.jsonl.zst"
        texts = [row["text"] for row in read_rows(path)] if path.exists() else []
        if not texts:
            raise ArtefactError(f"no held-out text in {language}", where=path, fix="raise data.heldout")
        encoded = [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]
        if most:
            before = accumulate(map(len, encoded), initial=0)
            count = sum(tokens < most for tokens in list(before)[:-1])
            texts, encoded = texts[:count], encoded[:count]
        result[language] = HeldOut(texts, encoded, tokenizer.token_to_id(END_OF_TEXT))
    return result


def cut_by(model: Reader, texts: dict[str, HeldOut]) -> dict[str, HeldOut]:
    """The same texts as another tokenizer cuts them, after the token that its model begins with."""
    return {language: HeldOut(held.texts, [model.encode(text) for text in held.texts], model.start) for language, held in texts.items()}


def unigram_scorer(data: Path, tokenizer: Tokenizer) -> Scorer:
    """Token frequencies of the training corpus with add-one smoothing: what a model without context reaches."""
    import numpy as np

    counts = np.ones(tokenizer.get_vocab_size())
    for path in sorted(data.glob("corpus/*/*.jsonl.zst")):
        for encoding in tokenizer.encode_batch([row["text"] for row in read_rows(path)], add_special_tokens=False):
            np.add.at(counts, encoding.ids, 1)
    nats = -np.log(counts / counts.sum())
    return lambda cut: float(sum(nats[window.tokens[-window.scored :]].sum() for window in cut))
