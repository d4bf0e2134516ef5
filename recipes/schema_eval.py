"""The recipe's `eval`: what every model is measured on."""

from pydantic import Field

from kishi.languages import Language
from recipes.section import Section


class Task(Section):
    """A multiple-choice set for lm-eval: JSON Lines with question, choices, answer (index), lang."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    path: str = Field(min_length=1)
    license: str = Field(min_length=1)


class Evaluation(Section):
    """What every model is measured on, beside bits per byte of the held-out documents."""

    tasks: tuple[Task, ...] = ()
    prompts: dict[Language, str] = Field(description="what each model is asked to continue or answer in the report")
