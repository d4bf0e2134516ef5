"""Multiple choice through lm-eval with local tasks, one a language; the random and the majority baseline beside it."""

from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from kishi.errors import DataError
from kishi.jsonl import read_rows, write_rows
from recipes.schema import Task

PROMPTS = {"kk": "Сұрақ: {{question}}\nЖауап:", "ru": "Вопрос: {{question}}\nОтвет:", "en": "Question: {{question}}\nAnswer:"}
VERSION = 1.0


def write_tasks(tasks: tuple[Task, ...], languages: tuple[str, ...], folder: Path) -> dict[str, dict[str, Any]]:
    """lm-eval YAML and data files in `folder`; returns per task its size and baselines."""
    baselines = {}
    for task in tasks:
        rows = list(read_rows(Path(task.path))) if Path(task.path).is_file() else []
        for language in languages:
            chosen = [row for row in rows if row.get("lang") == language]
            if not chosen:
                raise DataError(f"task {task.name}: no question in {language}", where=task.path, fix="mend eval.tasks")
            name = f"{task.name}_{language}"
            write_rows(folder / f"{name}.jsonl", ({key: row[key] for key in ("question", "choices", "answer")} for row in chosen))
            (folder / f"{name}.yaml").write_text(yaml.safe_dump(_definition(name, folder / f"{name}.jsonl", language), allow_unicode=True))
            baselines[name] = _baselines(chosen)
    return baselines


def _definition(name: str, data: Path, language: str) -> dict[str, Any]:
    return {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data.absolute())}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": PROMPTS[language],
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "answer",
        "target_delimiter": " ",
        "metric_list": [{"metric": metric, "aggregation": "mean", "higher_is_better": True} for metric in ("acc", "acc_norm")],
        "metadata": {"version": VERSION},
    }


def _baselines(rows: list[dict[str, Any]]) -> dict[str, Any]:
    most = Counter(row["answer"] for row in rows).most_common(1)[0][1]
    return {
        "n": len(rows),
        "random": round(sum(1 / len(row["choices"]) for row in rows) / len(rows), 4),
        "majority": round(most / len(rows), 4),
    }


def evaluate(model: Any, tokenizer: Any, names: list[str], folder: Path) -> dict[str, Any]:
    """Accuracy of a Hugging Face model on the tasks, with macro-F1 over the chosen places, where a constant answer shows."""
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(folder), include_defaults=False)
    harness = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=16)
    found = lm_eval.simple_evaluate(model=harness, tasks=names, task_manager=manager, bootstrap_iters=0, log_samples=True)
    return {
        name: {
            "acc": round(found["results"][name]["acc,none"], 4),
            "acc_norm": round(found["results"][name]["acc_norm,none"], 4),
            "macro_f1": macro_f1([(sample["doc"]["answer"], _guess(sample)) for sample in found["samples"][name]]),
        }
        for name in names
    }


def _guess(sample: dict[str, Any]) -> int:
    scores = [float(answer[0][0]) for answer in sample["resps"]]
    return scores.index(max(scores))


def macro_f1(pairs: list[tuple[int, int]]) -> float:
    """Mean F1 over the right places of (truth, guess) pairs."""
    scores = []
    for label in {truth for truth, _ in pairs}:
        hits = sum(truth == guess == label for truth, guess in pairs)
        scores.append(2 * hits / (sum(truth == label for truth, _ in pairs) + sum(guess == label for _, guess in pairs)))
    return round(sum(scores) / len(scores), 4)
