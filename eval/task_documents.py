"""From a task's file to what models are asked: one set for each language or direction, with its baselines, version and hashes."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any, Literal

from eval import task_rows, text_scores, wording
from eval.scores import choice_baselines
from kishi.errors import DataError
from kishi.manifest import sha256_file, sha256_of
from kishi.questions import Question
from kishi.task_files import TaskFile, spread
from recipes.schema_eval import Kind, Task

# of each kind's prompts and scoring; `tests/eval/test_wording.py` fails when a prompt changes and its number does not
KIND_VERSIONS: dict[Kind, int] = {
    "multiple_choice": 2,
    "copa": 1,
    "topic": 1,
    "reading": 1,
    "translation": 1,
    "spelling": 1,
    "word_in_context": 1,
    "maths": 1,
    "bits_per_byte": 1,
    "bits_per_sentence": 1,
}
Form = Literal["choice", "generation", "bits"]
Document = dict[str, Any]
_FORMS: dict[str, Form] = {"reading": "generation", "translation": "generation", "maths": "generation"}
_FORMS |= {"bits_per_byte": "bits", "bits_per_sentence": "bits"}


@dataclass(frozen=True)
class TaskSet:
    """`documents`: id, text and `choices` with `answer`, or `references`, or the text alone. `languages`: one, or source and target."""

    task: Task
    languages: tuple[str, ...]
    documents: list[Document]
    skipped: int = 0  # rows that hold no question: spelling pairs of two equal sentences

    @property
    def name(self) -> str:
        """In lm-eval, and of files."""
        return "_".join((self.task.name, *self.languages))

    @property
    def label(self) -> str:
        """`name@version`, the key of results: version of the prompts and scoring, then of the file."""
        return f"{self.name}@{KIND_VERSIONS[self.task.kind]}.{self.task.version}"

    @property
    def form(self) -> Form:
        """What a model does with it."""
        return _FORMS.get(self.task.kind, "choice")

    def described(self) -> dict[str, Any]:
        """For results.json: all that must be equal for figures to be comparable, and what answers without knowledge reach."""
        return {
            "kind": self.task.kind,
            "languages": list(self.languages),
            "license": self.task.license,
            "data": self.task.path,
            "data_sha256": sha256_file(Path(self.task.path or "")),
            "documents_sha256": sha256_of(self.documents),
            "n": len(self.documents),
            "skipped": self.skipped,
            **self._baselines(),
        }

    def _baselines(self) -> dict[str, Any]:
        if self.form == "choice":
            return choice_baselines([(len(row["choices"]), row["answer"]) for row in self.documents])
        if self.form == "generation":
            return {"baselines": text_scores.baselines(self.task.kind, self.documents)}
        return {"baselines": {"random": 8.0}}  # bits a byte when each of 256 bytes is as likely


def task_sets(task: Task, languages: tuple[str, ...]) -> list[TaskSet]:
    """One for each language (or direction). Raises DataError naming the file and line of what is wrong."""
    if task.kind == "translation":
        return _directions(task, languages)
    rows = _file(task, languages).by_language(_MODELS[task.kind])
    make: Callable[[Any], Document] = _topics(task, rows) if task.kind == "topic" else _MAKERS[task.kind]
    sets = []
    for language, found in rows.items():
        asked = [row for row in found if getattr(row, "is_question", True)]
        if not asked:
            raise DataError(f"no question in {language}: wrong and right are the same everywhere", where=task.path, fix="see columns")
        sets.append(TaskSet(task, (language,), [make(row) for row in spread(asked, task.limit)], len(found) - len(asked)))
    return sets


def _file(task: Task, languages: tuple[str, ...]) -> TaskFile:
    return TaskFile(Path(task.path or ""), task.languages or languages, task.columns, task.where)


def _directions(task: Task, languages: tuple[str, ...]) -> list[TaskSet]:
    """All directions for which the file has text in both languages."""
    file, found = _file(task, languages), dict[tuple[str, str], list[Document]]()
    for row in file.rows(task_rows.Translation):
        for source, target in permutations([language for language in file.languages if language in row.texts], 2):
            text = row.texts[source].strip()
            document = {
                "id": row.id,
                "text": wording.translation(source, target, text),
                "source": text,
                "references": [row.texts[target].strip()],
            }
            found.setdefault((source, target), []).append(document)
    if not found:
        raise DataError(
            f"no pair of {', '.join(file.languages)}", where=file.path, fix="say which languages it has in the task's `languages`"
        )
    return [TaskSet(task, pair, spread(documents, task.limit)) for pair, documents in found.items()]


def _multiple_choice(row: Question) -> Document:
    return {"id": row.id, "text": row.prompt, "choices": row.choices, "answer": row.answer}


def _copa(row: task_rows.Copa) -> Document:
    choices = [wording.continued(choice.strip()) for choice in (row.choice1, row.choice2)]
    return {"id": row.id, "text": wording.copa(row.lang, row.premise, row.question), "choices": choices, "answer": row.answer}


def _topics(task: Task, rows: dict[str, list[task_rows.Topic]]) -> Callable[[task_rows.Topic], Document]:
    """Labels of all languages in alphabetical order, so that a place means the same label everywhere."""
    labels = sorted({row.label for found in rows.values() for row in found})

    def make(row: task_rows.Topic) -> Document:
        words: dict[str, str] = task.labels.get(row.lang, {})  # type: ignore[call-overload]
        choices = [words.get(label, label) for label in labels]
        return {"id": row.id, "text": wording.topic(row.lang, row.text), "choices": choices, "answer": labels.index(row.label)}

    return make


def _reading(row: task_rows.Reading) -> Document:
    return {"id": row.id, "text": wording.reading(row.lang, row.passage, row.question), "references": row.answers}


def _spelling(row: task_rows.Spelling) -> Document:
    """The right sentence stands first or second by its hash, so that no constant answer is right."""
    pair, place = [row.right.strip(), row.wrong.strip()], hashlib.sha256(row.right.encode()).digest()[0] % 2
    return {"id": row.id, "text": "", "choices": pair[::-1] if place else pair, "answer": place}


def _word_in_context(row: task_rows.WordInContext) -> Document:
    text = wording.word_in_context(row.lang, row.word, row.sentence1, row.sentence2)
    return {"id": row.id, "text": text, "choices": list(wording.YES_NO[row.lang]), "answer": 0 if row.answer else 1}


def _maths(row: task_rows.Maths) -> Document:
    number = text_scores.last_number(row.answer.rpartition("####")[2])
    return {"id": row.id, "text": wording.maths(row.lang, row.question), "references": [number]}


def _sentence(row: task_rows.Sentence) -> Document:
    return {"id": row.id, "text": row.text}


_MODELS: dict[str, type[Any]] = {
    "multiple_choice": Question,
    "copa": task_rows.Copa,
    "topic": task_rows.Topic,
    "reading": task_rows.Reading,
    "spelling": task_rows.Spelling,
    "word_in_context": task_rows.WordInContext,
    "maths": task_rows.Maths,
    "bits_per_byte": task_rows.Sentence,
    "bits_per_sentence": task_rows.Sentence,
}
_MAKERS: dict[str, Callable[[Any], Document]] = {
    "multiple_choice": _multiple_choice,
    "copa": _copa,
    "reading": _reading,
    "spelling": _spelling,
    "word_in_context": _word_in_context,
    "maths": _maths,
    "bits_per_byte": _sentence,
    "bits_per_sentence": _sentence,
}
