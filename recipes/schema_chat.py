"""The recipe's `chat`: where conversations, preference pairs and tool calls come from, and what is made of other text."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from kishi.languages import Language
from recipes.section import Hub, Positive, Section, Share

Kind = Literal["sft", "preference", "tools", "parallel", "titles"]
TRAINED: tuple[Kind, ...] = ("sft", "preference", "tools")
ENDINGS = (".jsonl", ".jsonl.zst", ".parquet")  # of files with examples


class ChatSource(Section):
    """Examples from one place. The layout of a row is told by its keys (docs/chat-data.md lists the layouts).

    `license` and `language` hold for all its rows; left out, each row must carry `license` and may carry its language.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    path: str | None = Field(None, min_length=1, description="JSON Lines (.zst) or parquet, file or folder; relative to chat.folder")
    hub: Hub | None = None
    corpus: str | None = Field(None, description="kind titles: the cleaned documents of this source of `data`")
    license: str | None = Field(None, min_length=1, description="SPDX identifier, or the words of the source; default: each row's")
    kind: Kind = Field(description="parallel: rows with a text a language; titles: documents with `title` and `text`")
    language: Language | None = Field(None, description="of all its examples; default: each row's, else identified")
    task: str | None = Field(None, pattern=r"^[a-z_]+$", description="what its examples ask for; default: each row's `task`, else the kind")
    leads: bool = Field(False, description="kind titles: the first paragraph sums up the rest, as in news; it then is a summary")
    weight: float = Field(1.0, gt=0, description="how often it is seen, relative to a source of weight 1")
    most: Positive | None = Field(None, description="at most so many of its examples, drawn by the seed")
    keys: dict[str, str] = Field({}, description="our key: the row's own, e.g. {instruction: inputs, output: targets}")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if sum(place is not None for place in (self.path, self.hub, self.corpus)) != 1:
            raise ValueError(f"source {self.name}: give one of path, hub, corpus")
        if self.hub and not self.license:
            raise ValueError(f"source {self.name}: license is missing")
        if self.corpus and self.kind != "titles":
            raise ValueError(f"source {self.name}: documents of the corpus serve kind titles, not {self.kind}")
        return self


class Making(Section):
    """What is made of parallel text, of titled documents and of good answers (docs/chat-data.md)."""

    directions: int = Field(6, ge=1, le=6, description="translations made of one parallel row, of the six (two languages: two) there are")
    document_characters: Positive = Field(1500, description="of a titled document that is given to be summed up")
    pairs: Share = Field(0.0, description="share of the sft examples whose answer is also spoilt for a preference pair")
    matched: Share = Field(0.5, description="share of those pairs whose rejected answer is about as long as the chosen one")


class Chat(Section):
    """Sources, and how they become the examples that post-training reads."""

    sources: tuple[ChatSource, ...] = Field(min_length=1)
    folder: str | None = Field(None, description="where the paths of sources begin")
    make: Making = Making()
    against: tuple[str, ...] = Field((), description="files that are evaluated on beside eval.tasks: their texts leave the examples")
    near_duplicate_similarity: Share = Field(0.8, description="Jaccard similarity of word shingles from which two examples count as one")
    language_margin: float = Field(1.0, ge=0, description="distance in heliport's score from which a turn surely is in another language")
    heldout: Share = Field(0.1, description="share of the groups of examples kept from training to measure on")

    def file_of(self, source: ChatSource) -> Path | None:
        """Its local file or folder, when it has one."""
        return Path(self.folder or ".") / source.path if source.path else None

    @property
    def compared(self) -> dict[str, Path]:
        """Local files and folders by source that pretraining text is compared with: their examples may be held out. Text that examples
        are made of is not.
        """
        local = {source.name: self.file_of(source) for source in self.sources if source.kind in TRAINED}
        return {name: path for name, path in local.items() if path} if self.heldout else {}

    @model_validator(mode="after")
    def _sources_fit(self) -> Self:
        names = [source.name for source in self.sources]
        if len(set(names)) != len(names):
            raise ValueError(f"sources: names must differ, got {', '.join(names)}")
        return self
