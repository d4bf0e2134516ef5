"""The recipe's `eval`: what every model is measured on."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from kishi.languages import Language
from recipes.section import Positive, Section

Kind = Literal[
    "multiple_choice",
    "copa",
    "topic",
    "reading",
    "translation",
    "spelling",
    "word_in_context",
    "maths",
    "bits_per_byte",
    "bits_per_sentence",
    "lm_eval",
]


class Task(Section):
    """A set of local examples (JSON Lines), or a task of lm-eval's own. docs/evaluation.md shows the lines of each kind."""

    name: str = Field(pattern=r"^[A-Za-z0-9_]+$", description="with kind lm_eval: the name of the task or group in lm-eval")
    kind: Kind = "multiple_choice"
    path: str | None = Field(None, min_length=1, description="the file; with kind lm_eval: a folder with task YAML files")
    license: str = Field(min_length=1)
    version: Positive = Field(1, description="of the file: raise it when its rows change, so that old and new figures are not compared")
    languages: tuple[Language, ...] | None = Field(None, min_length=1, description="those in the file; default: all of the recipe")
    columns: dict[str, str] = Field({}, description="our name of a column: its name in the file")
    where: dict[str, str] = Field({}, description="only rows that have these values, e.g. {split: test}")
    labels: dict[Language, dict[str, str]] = Field({}, description="kind topic: what a label is called in a language")
    limit: Positive | None = Field(None, description="rows of each language (and direction) at most, spread evenly over the file")

    @model_validator(mode="after")
    def _file(self) -> Self:
        if self.path is None and self.kind != "lm_eval":
            raise ValueError(f"eval.tasks: {self.name} needs path, the file with its rows")
        if self.kind == "lm_eval" and (given := [key for key in ("columns", "where", "labels", "languages") if getattr(self, key)]):
            raise ValueError(f"eval.tasks: {self.name} is lm-eval's own, which has no {', '.join(given)}")
        return self

    @property
    def file(self) -> str | None:
        """The file with its rows, where there is one of our own kinds."""
        return None if self.kind == "lm_eval" else self.path


class Peer(Section):
    """A model of others in the same table; it keeps its own tokenizer."""

    name: str = Field(pattern=r"^[A-Za-z0-9._-]+$")
    model: str = Field(min_length=1, description="owner/name on the hub, a local folder in Hugging Face's layout, or a .gguf file")
    revision: str | None = Field(None, description="commit on the hub")
    license: str = Field(min_length=1)
    chat: bool = Field(False, description="generation goes through its chat template")


class ChatMeasures(Section):
    """What chat models are asked beside the tasks; each measure has its own held-out rows."""

    translation: str | None = Field(None, description="JSON Lines with a sentence in each language: chrF and BLEU in all directions")
    pairs: str | None = Field(None, description="such lines to learn the dictionary baseline from; may not be those that are asked")
    conversations: str | None = Field(None, description="held-out conversations: summaries, stop rate, language of the answer")
    constraints: int = Field(0, ge=0, description="verifiable instructions made for each language")
    limit: Positive = Field(50, description="rows of each direction, and conversations of each language, at most")
    answer_tokens: Positive = 128


class Evaluation(Section):
    """What every model is measured on, beside bits per byte of the held-out documents."""

    tasks: tuple[Task, ...] = ()
    peers: tuple[Peer, ...] = ()
    chat: ChatMeasures | None = None
    prompts: dict[Language, str] = Field(description="what each model is asked to continue or answer in the report")

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        for what, items in (("tasks", self.tasks), ("peers", self.peers)):
            names: list[Any] = [item.name for item in items]
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"eval.{what}: {', '.join(twice)} is named twice")
        return self

    def files(self) -> dict[str, tuple[Path, dict[str, str]]]:
        """Every local file that is asked: name -> (path, its columns). Its text has no place in what models are trained on."""
        found = {task.name: (Path(task.file), task.columns) for task in self.tasks if task.file}
        chat = [path for path in (self.chat.translation, self.chat.conversations) if path] if self.chat else []
        return found | {f"chat:{Path(path).name}": (Path(path), {}) for path in chat}
