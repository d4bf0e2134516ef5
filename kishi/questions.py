"""The questions of a multiple-choice set: read with their faults named, put in words, and what answers without knowledge reach on them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from kishi.task_files import TaskFile

Text = Annotated[str, Field(min_length=1)]
_PROMPTS = {"kk": "Сұрақ: {}\nЖауап:", "ru": "Вопрос: {}\nОтвет:", "en": "Question: {}\nAnswer:"}


class Question(BaseModel):
    """One line of a task's file; `answer` is the place of the right choice, from 0, or its letter (A is the first).

    `passage`: a text that the question is about; it stands before the question.
    """

    id: str | int = ""
    lang: str
    passage: str = ""
    question: Text
    choices: Annotated[list[Text], Field(min_length=2)]
    answer: Annotated[int, Field(ge=0, strict=True)]

    @field_validator("answer", mode="before")
    @classmethod
    def _letter(cls, value: Any) -> Any:
        return ord(value) - ord("A") if isinstance(value, str) and len(value) == 1 and "A" <= value <= "Z" else value

    @model_validator(mode="after")
    def _answer_is_a_choice(self) -> Self:
        if self.answer >= len(self.choices):
            raise ValueError(f"answer {self.answer}, but there are {len(self.choices)} choices, counted from 0")
        return self

    @property
    def prompt(self) -> str:
        """What the model reads before a choice; a space comes between."""
        before = f"{self.passage.strip()}\n" if self.passage else ""
        return before + _PROMPTS[self.lang].format(self.question)


def load(
    path: Path, languages: Sequence[str], columns: Mapping[str, str] | None = None, where: Mapping[str, str] | None = None
) -> dict[str, list[Question]]:
    """Per language. Raises DataError naming the first bad line, or a language without questions: a test set must be whole."""
    return TaskFile(path, languages, columns or {}, where or {}).by_language(Question)


def baselines(questions: list[Question]) -> dict[str, Any]:
    """Accuracy of guessing, and of always answering with the most frequent right place."""
    most = Counter(question.answer for question in questions).most_common(1)[0][1]
    return {
        "n": len(questions),
        "random": round(sum(1 / len(question.choices) for question in questions) / len(questions), 4),
        "majority": round(most / len(questions), 4),
    }
