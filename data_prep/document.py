"""The unit that flows through data preparation: datatrove's `Document`, with these keys in its metadata.

`lang`, `source`, `license`, `tier`; `domain`: what kind of text it is in the row's own words (its `domain`, else its `source`), which the
tokenizer's sample is spread over; `origin`: the recipe's source; `group`: ties documents that say the same in different languages, so that
the held-out split keeps them together; `faults`: what `corrupt.py` did to it (empty for real documents).
"""

from typing import Any

from datatrove.data import Document
from datatrove.utils.word_tokenizers import WordTokenizer

PUBLISHED = ("lang", "source", "domain", "license", "tier")


def make(row: dict[str, Any]) -> Document:
    """A document from a row of our own files."""
    keys = ("lang", "source", "license", "tier", "domain", "origin", "group", "faults")
    return Document(text=row["text"], id=row["id"], metadata={key: row[key] for key in keys})


def as_row(document: Document) -> dict[str, Any]:
    """All of it, for the files between two steps."""
    return {"id": document.id, "text": document.text, **document.metadata}


def training_row(document: Document) -> dict[str, Any]:
    """What is written for training."""
    return {"id": document.id, "text": document.text, **{key: document.metadata[key] for key in PUBLISHED}}


def size(text: str) -> int:
    """Length in UTF-8 bytes."""
    return len(text.encode("utf-8"))


class Words(WordTokenizer):  # type: ignore[misc]
    """White-space words for datatrove's filters, which would ask for Stanza or spaCy models otherwise."""

    def word_tokenize(self, text: str) -> list[str]:
        """Words with their punctuation."""
        return text.split()

    def sent_tokenize(self, text: str) -> list[str]:
        """Lines."""
        return [line for line in text.split("\n") if line.strip()]

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        """The whole text."""
        return [(0, len(text))]
