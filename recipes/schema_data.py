"""The recipe's `data`: sources, and how they become the corpus of each phase."""

from typing import Self

from pydantic import Field, model_validator

from kishi.languages import Language
from recipes.section import Hub, Positive, Section, Share, Tier


class Source(Section):
    """Documents from one place: JSON Lines (plain or .zst), parquet, plain text, Wikipedia extracts (wiki_00), or a hub data set.

    `license`, `tier` and `language` hold for all its documents; left out, each row must carry `license` (a row without one is
    quarantined) and may carry `tier` and `lang`.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    path: str | None = Field(None, min_length=1, description="file or folder; relative to data.folder, else the working folder")
    hub: Hub | None = None
    license: str | None = Field(None, min_length=1, description="SPDX identifier, or the words of the source; default: each row's")
    tier: Tier | None = Field("clean", description="null: each row's `tier`")
    promote: bool = Field(False, description="dirty documents that pass the strict filters join the clean tier")
    language: Language | None = Field(None, description="of all its documents; default: each row's `lang`, else identified")
    weight: float = Field(1.0, gt=0, description="how often it is seen, relative to a source of weight 1")
    text_key: str = Field("text", min_length=1)
    id_key: str = Field("id", min_length=1)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.path is None) == (self.hub is None):
            raise ValueError(f"source {self.name}: give either path or hub")
        if self.hub and not self.license:
            raise ValueError(f"source {self.name}: license is missing")
        return self


class Corruption(Section):
    """How the dirty tier is made from the clean one: the share of documents that get each fault (data_prep/corrupt.py)."""

    markup: Share = 0.2
    boilerplate: Share = 0.3
    near_duplicates: Share = 0.2
    exact_duplicates: Share = 0.1
    mixed_languages: Share = 0.1
    broken_encoding: Share = 0.1
    personal_data: Share = 0.15


class Limits(Section):
    """Limits that a document must keep. The shares follow FineWeb-2 and Gopher (docs/data.md says where each comes from)."""

    min_characters: Positive = 100
    max_characters: Positive = 1_000_000
    language_margin: float = Field(1.0, ge=0, description="distance in heliport's score from which a line surely is in another language")
    document_margin: float = Field(0.2, ge=0, description="the same of a document, towards languages that the recipe does not train")
    max_duplicate_lines: Share = Field(0.304, description="share of characters in repeated lines")
    max_mean_word_length: float = Field(20.0, gt=0)
    min_alphabetic_words: Share = Field(0.5, description="share of words with a letter")
    min_line_punctuation: Share = Field(0.0, description="share of lines that end in punctuation")
    max_new_lines: float = Field(1.0, gt=0, description="line breaks a word")
    max_labels: Share = Field(1.0, description="share of the text in lines of at most 30 characters without punctuation at their end")
    max_ellipsis_lines: Share = Field(0.3, description="share of lines cut off with an ellipsis (Gopher)")
    max_placeholders: Share = Field(0.05, description="share of words that a program fills in: %1, %s, { $name }")
    max_lower_case: Share = Field(1.0, description="share of sentences that begin with a small letter")
    repetition: float = Field(2.0, ge=0, description="Gopher's limits on repeated word n-grams, times this; 0: off")


class Filters(Limits):
    """One tier's limits, and what differs in a language: `languages: {kk: {max_mean_word_length: 12}}`."""

    languages: dict[Language, dict[str, float]] = Field({}, description="what differs in a language")

    def for_language(self, language: str) -> Limits:
        """The limits after the language's own."""
        base = self.model_dump(exclude={"languages"})
        return Limits.model_validate(base | self.languages.get(language, {}))  # type: ignore[call-overload]

    @model_validator(mode="after")
    def _known(self) -> Self:
        for language in self.languages:
            self.for_language(language)
        return self


class Decontamination(Section):
    """What counts as a repetition of evaluation text (data_prep/decontaminate.py)."""

    ngram: Positive = Field(13, description="words in a row shared with a task or chat example")
    containment: Share = Field(0.55, description="share of a short example's word trigrams found close together")
    max_heldout_overlap: Share = Field(0.05, description="share of 8-grams in common with one held-out document")


class Data(Section):
    """Sources, and how they become the corpus of each phase."""

    sources: tuple[Source, ...] = Field(min_length=1)
    mix: dict[Language, Share] = Field(description="share of each language by UTF-8 bytes")
    corrupt: Corruption | None = Field(None, description="make a dirty tier from the clean sources")
    folder: str | None = Field(None, description="where the paths of sources begin")
    light: Filters = Field(Filters(), description="for the dirty tier")
    strict: Filters = Field(Filters(), description="for the clean tier")
    near_duplicate_similarity: Share = Field(0.7, description="Jaccard similarity of word shingles from which two documents count as one")
    decontamination: Decontamination = Decontamination()
    heldout: Share = Field(0.1, description="share of documents kept from training to measure on")
    shard_megabytes: float = Field(64, gt=0, description="of source file in one unit of work")

    @model_validator(mode="after")
    def _mix_adds_up(self) -> Self:
        total = sum(self.mix.values())
        if abs(total - 1) > 1e-6:
            raise ValueError(f"mix: shares add up to {total:g}, not 1")
        names = [source.name for source in self.sources]
        if len(set(names)) != len(names):
            raise ValueError(f"sources: names must differ, got {', '.join(names)}")
        return self
