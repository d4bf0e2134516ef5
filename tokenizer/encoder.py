"""One face for tokenizers of different libraries: what measuring and showing them needs."""

import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol

from tokenizers import Tokenizer, pre_tokenizers


class Encoder(Protocol):
    """A tokenizer without its special tokens: text that spells one stays text."""

    name: str

    @property
    def vocab_size(self) -> int:
        """Number of ids, special ones included."""

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of the ids, special tokens included."""

    def token_bytes(self, number: int) -> bytes:
        """What one token stands for."""


def _bytes_of_letters() -> dict[str, int]:
    """Inverse of GPT-2's table of printable stand-ins for bytes: those that print stand for themselves, the rest follow in order."""
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printing]
    table = {chr(byte): byte for byte in printing} | {chr(256 + place): byte for place, byte in enumerate(others)}
    assert table.keys() == set(pre_tokenizers.ByteLevel.alphabet())
    return table


class HuggingFace:
    """A `tokenizers.Tokenizer`: byte-level BPE, or SentencePiece-like with byte fallback."""

    def __init__(self, name: str, tokenizer: Tokenizer) -> None:
        self.name = name
        self.tokenizer = Tokenizer.from_str(tokenizer.to_str())  # the caller's one keeps its settings
        self.tokenizer.encode_special_tokens = True
        self._letters = _bytes_of_letters()

    @cached_property
    def vocab_size(self) -> int:
        """Number of ids."""
        return int(self.tokenizer.get_vocab_size())

    @cached_property
    def _byte_level(self) -> bool:
        return "ByteLevel" in str(self.tokenizer.decoder)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text."""
        return [encoding.ids for encoding in self.tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of the ids."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=False))

    def token_bytes(self, number: int) -> bytes:
        """What one token stands for."""
        piece = self.tokenizer.id_to_token(number)
        if self._byte_level and set(piece) <= self._letters.keys():
            return bytes(self._letters[letter] for letter in piece)
        if len(piece) == 6 and piece.startswith("<0x"):
            return bytes.fromhex(piece[3:5])
        return piece.replace("▁", " ").encode("utf-8")


class Tiktoken:
    """A `tiktoken.Encoding`."""

    def __init__(self, name: str, encoding: Any) -> None:
        self.name, self.encoding = name, encoding

    @property
    def vocab_size(self) -> int:
        """Number of ids."""
        return int(self.encoding.n_vocab)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text."""
        return [self.encoding.encode_ordinary(text) for text in texts]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of the ids."""
        return str(self.encoding.decode(list(ids)))

    def token_bytes(self, number: int) -> bytes:
        """What one token stands for."""
        return bytes(self.encoding.decode_single_token_bytes(number))


def with_tiktoken(source: HuggingFace) -> Tiktoken:
    """The same byte-level BPE run by tiktoken, whose order of merges is the order of ids. Raises ModuleNotFoundError without tiktoken.

    Equal ids must be checked (`tokenizer.fertility.check_same_ids`): where one token can be merged in two ways, the two differ in theory.
    """
    import tiktoken

    content = json.loads(source.tokenizer.to_str())
    special = {token["content"]: token["id"] for token in content["added_tokens"]}
    ranks = {source.token_bytes(number): number for token, number in content["model"]["vocab"].items() if token not in special}
    pattern = content["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]
    name = f"{source.name}, by tiktoken"
    return Tiktoken(name, tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens=special))
