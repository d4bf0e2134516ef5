"""Multiple choice through lm-eval with local tasks, one a language, for every kind of model."""

import io
import math
from collections import Counter
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import yaml
from tokenizers import Tokenizer

from eval.scores import guess, macro_f1, normalised_guess, summarise
from kishi import questions
from kishi.errors import ArtefactError, DataError
from kishi.jsonl import write_rows
from kishi.manifest import sha256_file
from kishi.questions import Question
from recipes.schema_eval import Task

VERSION = 2.0  # of the tasks and their scoring: figures of different versions are not comparable


def write_tasks(tasks: tuple[Task, ...], languages: tuple[str, ...], folder: Path, tokenizer: Tokenizer, length: int) -> dict[str, Any]:
    """lm-eval YAML and data files in `folder`; returns per task its size, baselines, version and the hash of its data file."""
    described = {}
    for task in tasks:
        for language, chosen in questions.load(Path(task.path), languages).items():
            name, documents = f"{task.name}_{language}", [_document(question) for question in chosen]
            write_rows(folder / f"{name}.jsonl", documents)
            (folder / f"{name}.yaml").write_text(yaml.safe_dump(_definition(name, folder / f"{name}.jsonl"), allow_unicode=True))
            described[name] = {
                **baselines(chosen),
                "truncated": _truncated(documents, tokenizer, length),
                "version": VERSION,
                "data": task.path,
                "data_sha256": sha256_file(Path(task.path)),
                "license": task.license,
            }
    return described


def _truncated(documents: list[dict[str, Any]], tokenizer: Tokenizer, length: int) -> int:
    """Number of questions that lose their beginning. Raises DataError when a choice alone does not fit."""
    cut = 0
    for document in documents:
        longest = max(len(tokenizer.encode(f" {choice}").ids) for choice in document["choices"])
        if longest > length:
            where = f"question {document['id'] or document['text'][:60]!r}"
            raise DataError(f"a choice of {longest} tokens, the model takes {length}", where=where, fix="shorten the choice")
        cut += max(len(tokenizer.encode(f"{document['text']} {choice}").ids) for choice in document["choices"]) > length + 1
    return cut


def baselines(chosen: list[Question]) -> dict[str, Any]:
    """Of guessing and of a constant answer, with the macro-F1 of the latter."""
    truth = [question.answer for question in chosen]
    constant = [Counter(truth).most_common(1)[0][0]] * len(truth)
    return {**questions.baselines(chosen), "majority_macro_f1": round(macro_f1(truth, constant), 4)}


def _document(question: Question) -> dict[str, Any]:
    return {"id": question.id, "text": question.prompt, "choices": question.choices, "answer": question.answer}


def _definition(name: str, data: Path) -> dict[str, Any]:
    return {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data.absolute())}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "text",
        "doc_to_choice": "choices",
        "doc_to_target": "answer",
        "target_delimiter": " ",
        "metric_list": [{"metric": metric, "aggregation": "mean", "higher_is_better": True} for metric in ("acc", "acc_norm")],
        "metadata": {"version": VERSION},
    }


def ask(harness: Any, names: list[str], folder: Path) -> dict[str, Any]:
    """What lm-eval itself returns for the tasks: `results` and `samples`. Its bars and notes stay unseen."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    with redirect_stderr(io.StringIO()):
        manager = TaskManager(include_path=str(folder), include_defaults=False)
        found: dict[str, Any] = lm_eval.simple_evaluate(
            model=harness, tasks=names, task_manager=manager, bootstrap_iters=0, log_samples=True
        )
    return found


def raw_rows(found: dict[str, Any], model: str) -> list[dict[str, Any]]:
    """One row a question: everything that the figures are made of. Raises ArtefactError for a log-likelihood that is not finite."""
    rows = []
    for task, samples in found["samples"].items():
        for sample in sorted(samples, key=lambda sample: sample["doc_id"]):
            document = sample["doc"]
            row = {
                "task": task,
                "doc_id": sample["doc_id"],
                "id": document["id"],
                "truth": document["answer"],
                "loglikelihoods": [float(answer[0][0]) for answer in sample["resps"]],
                "characters": [len(choice) for choice in document["choices"]],
            }
            if not all(map(math.isfinite, row["loglikelihoods"])):
                raise ArtefactError(
                    f"{model}: log-likelihoods of {task} question {sample['doc_id']} are not finite: {row['loglikelihoods']}",
                    fix="its weights hold NaN or infinity: run the stage that made the model again",
                )
            rows.append({**row, "guess": guess(row), "guess_norm": normalised_guess(row)})
    return rows


def figures(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Per task, from raw rows."""
    names = dict.fromkeys(row["task"] for row in rows)
    return {name: summarise([row for row in rows if row["task"] == name]) for name in names}
