"""The questions of a multiple-choice set: read with their faults named, put in words, and what answers without knowledge reach on them."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from kishi.errors import DataError
from kishi.jsonl import open_bytes

Text = Annotated[str, Field(min_length=1)]
_PROMPTS = {"kk": "Сұрақ: {}\nЖауап:", "ru": "Вопрос: {}\nОтвет:", "en": "Question: {}\nAnswer:"}


class Question(BaseModel):
    """One line of a task's file; `answer` is the place of the right choice, from 0."""

    id: str = ""
    lang: str
    question: Text
    choices: Annotated[list[Text], Field(min_length=2)]
    answer: Annotated[int, Field(ge=0, strict=True)]

    @model_validator(mode="after")
    def _answer_is_a_choice(self) -> Self:
        if self.answer >= len(self.choices):
            raise ValueError(f"answer {self.answer}, but there are {len(self.choices)} choices, counted from 0")
        return self

    @property
    def prompt(self) -> str:
        """What the model reads before a choice; a space comes between."""
        return _PROMPTS[self.lang].format(self.question)


def load(path: Path, languages: tuple[str, ...]) -> dict[str, list[Question]]:
    """Per language. Raises DataError naming the first bad line, or a language without questions: a test set must be whole."""
    if not path.is_file():
        raise DataError("no such file", where=path, fix="mend eval.tasks in the recipe")
    found: dict[str, list[Question]] = {language: [] for language in languages}
    with open_bytes(path) as stream:
        for number, line in enumerate(stream, 1):
            if line.strip():
                question = _parse(line, path, number)
                found.setdefault(question.lang, []).append(question)
    for language in languages:
        if not found[language]:
            raise DataError(f"no question in {language}", where=path, fix="add some, or take the task out of eval.tasks")
    return {language: found[language] for language in languages}


def _parse(line: bytes, path: Path, number: int) -> Question:
    try:
        return Question.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DataError(f"{place} {first['msg']}".strip(), where=f"{path}:{number}", fix="mend the line; see docs/evaluation.md") from error


def baselines(questions: list[Question]) -> dict[str, Any]:
    """Accuracy of guessing, and of always answering with the most frequent right place."""
    most = Counter(question.answer for question in questions).most_common(1)[0][1]
    return {
        "n": len(questions),
        "random": round(sum(1 / len(question.choices) for question in questions) / len(questions), 4),
        "majority": round(most / len(questions), 4),
    }
