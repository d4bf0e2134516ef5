"""One line of a task's file, of each kind; docs/evaluation.md shows them all."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from kishi.languages import LANGUAGES

Text = Annotated[str, Field(min_length=1, pattern=r"\S")]


class Row(BaseModel):
    """`lang` is that of the prompt."""

    id: str | int = ""
    lang: str


class Copa(Row):
    """Which of two sentences is the cause or the effect of the premise (COPA, XCOPA)."""

    premise: Text
    choice1: Text
    choice2: Text
    question: Literal["cause", "effect"]
    answer: Annotated[int, Field(ge=0, le=1, strict=True)]


class Topic(Row):
    """What a sentence is about (SIB-200)."""

    text: Text
    label: Text


class Reading(Row):
    """A question whose answer stands in the passage (SQuAD, XQuAD, KazQAD)."""

    passage: Text
    question: Text
    answers: Annotated[list[Text], Field(min_length=1)]

    @field_validator("answers", mode="before")
    @classmethod
    def _of_squad(cls, value: Any) -> Any:
        value = value.get("text") if isinstance(value, dict) else value  # {"text": [...], "answer_start": [...]}
        return [value] if isinstance(value, str) else value


class Translation(BaseModel):
    """A sentence in several languages, `{"kk": ..., "ru": ...}`, or one pair with `src_lang`, `tgt_lang`, `source_text`, `target_text`."""

    id: str | int = ""
    texts: dict[str, Text]

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, row: Any) -> Any:
        if not isinstance(row, dict) or "texts" in row:
            return row
        if "src_lang" in row:
            pair = {row["src_lang"]: row.get("source_text"), row.get("tgt_lang"): row.get("target_text")}
            return {"id": row.get("id", ""), "texts": pair}
        return {"id": row.get("id", ""), "texts": {language: row[language] for language in LANGUAGES if language in row}}

    @model_validator(mode="after")
    def _two(self) -> Self:
        if len(self.texts) < 2:
            raise ValueError(f"a text in {', '.join(self.texts) or 'no language'}: two languages are needed")
        return self


class Spelling(Row):
    """The same sentence with and without a fault."""

    wrong: Text
    right: Text

    @property
    def is_question(self) -> bool:
        """Sets of corrections hold sentences without a fault too."""
        return self.wrong.split() != self.right.split()


class WordInContext(Row):
    """Whether a word has one meaning in both sentences (WiC)."""

    word: Text
    sentence1: Text
    sentence2: Text
    answer: bool


class Maths(Row):
    """A problem whose answer is a number; of a worked answer the number after `####`, or the last one, counts (GSM8K, MGSM)."""

    question: Text
    answer: Text

    @field_validator("answer", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _number(self) -> Self:
        if not re.search(r"\d", self.answer.rpartition("####")[2]):
            raise ValueError("answer has no number")
        return self


class Sentence(Row):
    """A text whose bits are counted."""

    text: Text
