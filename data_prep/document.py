"""The unit that flows through data preparation."""

from dataclasses import dataclass, replace
from typing import Any

from recipes.schema import Tier


@dataclass(frozen=True)
class Document:
    """One text with where it came from.

    `group` ties documents that say the same in different languages, so that the held-out split keeps them together.
    `faults` names what `corrupt.py` did to it (empty for real documents): what cleaning is scored against.
    """

    id: str
    text: str
    lang: str
    source: str
    license: str
    tier: Tier
    group: str
    faults: tuple[str, ...] = ()

    def with_text(self, text: str) -> "Document":
        """The same document with other text."""
        return replace(self, text=text)

    def row(self) -> dict[str, Any]:
        """What is written for training."""
        return {"id": self.id, "text": self.text, "lang": self.lang, "source": self.source, "license": self.license, "tier": self.tier}

    @property
    def bytes(self) -> int:
        """Length of the text in UTF-8."""
        return len(self.text.encode("utf-8"))


@dataclass(frozen=True)
class Removed:
    """A document that was taken out, and why."""

    document: Document
    reason: str

    def row(self) -> dict[str, Any]:
        """What is kept of it, so that anyone can read what was removed."""
        document = self.document
        return {
            "id": document.id,
            "lang": document.lang,
            "source": document.source,
            "tier": document.tier,
            "reason": self.reason,
            "text": document.text,
        }
