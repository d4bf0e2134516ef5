"""Text to token ids: fastokens where it is installed and gives the ids of Hugging Face's tokenizers, else those themselves.

Text that spells a special token stays text: only this project writes control tokens. fastokens therefore gets the tokenizer without
its added tokens, Hugging Face's the switch that it has for this.
"""

import json
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from kishi.errors import ParityError
from kishi.special_tokens import END_OF_TEXT, ids_in

FAST, EXACT = "fastokens", "tokenizers"


def load_tokenizer(folder: Path) -> Tokenizer:
    """Hugging Face's tokenizer. Raises ArtefactError when it lacks Kishi's special tokens."""
    ids_in(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.encode_special_tokens = True
    return tokenizer


class Encoder:
    """Encodes batches; `name` says by which library, `refused` why the fast one was given up."""

    def __init__(self, folder: Path) -> None:
        self._exact = load_tokenizer(folder)
        self.end_of_text: int = self._exact.token_to_id(END_OF_TEXT)
        self.checked = 0  # texts compared so far
        self._fast: Any = _load_fast(folder)
        self.refused = "" if self._fast else "not installed"

    @property
    def name(self) -> str:
        """The library at work."""
        return FAST if self._fast else EXACT

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Ids of all texts in one array (uint32), without end-of-text; and where each text begins, with the end of the last (texts + 1)."""
        if self._fast:
            ids, places = self._fast.encode_batch_flat(list(texts))
            return np.frombuffer(ids, dtype="<u4"), np.frombuffer(places, dtype="<u8").astype(np.int64)
        found = [encoding.ids for encoding in self._exact.encode_batch(list(texts), add_special_tokens=False)]
        places = np.cumsum([0, *map(len, found)], dtype=np.int64)
        return np.fromiter(chain.from_iterable(found), dtype=np.uint32, count=int(places[-1])), places

    def agrees(self, text: str, ids: np.ndarray) -> bool:
        """Whether Hugging Face's tokenizers give the same ids. Raises ParityError when those do not decode to the text."""
        self.checked += 1
        exact = self._exact.encode(text, add_special_tokens=False).ids
        if self._exact.decode(exact, skip_special_tokens=False) != text:
            raise ParityError(f"text does not come back from its tokens: {text[:80]!r}", fix="make tokenizer")
        return bool(exact == ids.tolist())

    def give_up_fast(self, why: str) -> None:
        """From here on only the exact one."""
        self._fast, self.refused = None, why


@cache
def encoder_of(folder: Path) -> Encoder:
    """One a process, which works through many shards: loading takes as long as encoding some 50 MB."""
    return Encoder(folder)


def _load_fast(folder: Path) -> Any:
    if find_spec(FAST) is None:
        return None
    import fastokens

    values = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    return fastokens.Tokenizer.from_json_str(json.dumps({**values, "added_tokens": []}))
