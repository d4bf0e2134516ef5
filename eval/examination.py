"""What models are asked, made ready once: sets of documents, lm-eval files, and units of work."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval import bits, decontamination, harness, text_scores
from eval.scores import beats_constant, choice_baselines, summarise
from eval.task_documents import TaskSet, task_sets
from kishi.errors import DataError
from kishi.manifest import Manifest, sha256_of
from recipes.schema_eval import Task

# label -> {"described": for results.json, "figures": of one model, "rows": raw}
Unit = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Tasks:
    """`sets`: of local files; `shipped`: lm-eval's own; `data`: the manifest that says what the models' text was cleaned of."""

    sets: tuple[TaskSet, ...]
    shipped: tuple[Task, ...]
    folder: Path
    data: Manifest | None = None

    def units(self) -> dict[str, str]:
        """Name of each unit of work -> hash of all that it asks."""
        local = {task.label: sha256_of([task.label, task.documents]) for task in self.sets}
        return local | {task.name: sha256_of(task.model_dump(mode="json")) for task in self.shipped}

    def ask(self, unit: str, name: str, model: Any, *, ours: bool = True) -> Unit:
        """One model's answers to one unit. `ours`: the model was trained on the data of the manifest."""
        found = next((task for task in self.sets if task.label == unit), None)
        data = self.data if ours else None
        if found:
            return {found.label: _local(found, name, model, self._manager(), decontamination.of(found.task, data))}
        return _shipped(next(task for task in self.shipped if task.name == unit), name, model, self._manager())

    def _manager(self) -> Any:
        folders = tuple(Path(task.path) for task in self.shipped if task.path)
        return harness.manager((self.folder, *folders), any(task.path is None for task in self.shipped))


def prepare(tasks: Sequence[Task], languages: tuple[str, ...], folder: Path, data: Manifest | None) -> Tasks:
    """Read every file and write lm-eval's. Raises DataError for the first that is not whole."""
    local = [made for task in tasks if task.kind != "lm_eval" for made in task_sets(task, languages)]
    folder.mkdir(parents=True, exist_ok=True)
    for task in local:
        if task.form != "bits":
            harness.write_task(task, folder)
    shipped = tuple(task for task in tasks if task.kind == "lm_eval")
    for own in shipped:
        if own.path and not Path(own.path).is_dir():
            raise DataError("no such folder of task YAML files", where=own.path, fix=f"mend path of {own.name} in eval.tasks")
    return Tasks(tuple(local), shipped, folder, data)


def _local(task: TaskSet, name: str, model: Any, manager: Any, state: str) -> dict[str, Any]:
    if task.form == "bits":
        rows = bits.per_text(model, task.documents, task.task.kind == "bits_per_sentence", name)
    else:
        _refuse_long_choices(task, model)
        rows = harness.raw_rows(harness.ask(model.harness(), task.name, manager, model.chat), task.name, name)
    described = task.described()
    figures = {**figures_of(task.task.kind, rows, described), "decontamination": state}
    if task.form != "bits":
        figures["truncated"] = harness.truncated(model.encode, rows, model.length)
    return {"described": described, "figures": figures, "rows": [{**row, "task": task.label} for row in rows]}


def _refuse_long_choices(task: TaskSet, model: Any) -> None:
    for row in task.documents:
        longest = max((len(model.encode(f" {choice}")) for choice in row.get("choices", ())), default=0)
        if longest > model.length:
            where = f"{task.name}, question {row['id'] or row['text'][:60]!r}"
            raise DataError(f"a choice of {longest} tokens, the model takes {model.length}", where=where, fix="shorten the choice")


def figures_of(kind: str, rows: Sequence[dict[str, Any]], described: dict[str, Any]) -> dict[str, Any]:
    """Every figure of a task from its raw rows alone, and whether it is better than an answer without knowledge."""
    if kind.startswith("bits_per"):
        return bits.summarise(kind, rows)
    if kind in text_scores.MAIN:
        figures, main = text_scores.summarise(kind, rows), text_scores.MAIN[kind]
        best = max(baseline[main] for baseline in described["baselines"].values())
        return {**figures, "beats_constant": figures[f"{main}_interval"][0] > best}
    figures = summarise(rows)
    return {**figures, "beats_constant": beats_constant(figures, described)}


def _shipped(task: Task, name: str, model: Any, manager: Any) -> Unit:
    """A task of lm-eval, or each of a group's."""
    found, unit = harness.ask(model.harness(), task.name, manager, model.chat), Unit()
    for one, samples in found["samples"].items():
        rows = harness.raw_rows(found, one, name)
        label = f"{one}@{found['versions'].get(one)}"
        described = {
            "kind": "lm_eval",
            "languages": [],
            "license": task.license,
            "data": f"lm-eval {one}",
            "documents_sha256": sha256_of([[sample["doc_hash"], sample["prompt_hash"], sample["target_hash"]] for sample in samples]),
            "n": len(rows),
        }
        if all("loglikelihoods" in row for row in rows):
            described |= choice_baselines([(len(row["choices"]), row["truth"]) for row in rows])
            figures = figures_of("choice", rows, described)
        else:
            figures = harness.own_figures(found, one)
        figures |= {"decontamination": decontamination.UNKNOWN, "truncated": harness.truncated(model.encode, rows, model.length)}
        unit[label] = {"described": described, "figures": figures, "rows": [{**row, "task": label} for row in rows]}
    return unit
