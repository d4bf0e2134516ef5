"""Tasks through lm-eval: generated YAML for local ones, its own for those that it ships, and raw rows of what models answered."""

import io
import logging
import math
from collections.abc import Sequence
from contextlib import redirect_stderr
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from eval import wording
from eval.scores import guess, normalised_guess
from eval.task_documents import KIND_VERSIONS, TaskSet
from kishi.errors import ArtefactError, DataError
from kishi.jsonl import write_rows

Row = dict[str, Any]
_ROOMS = {"reading": 32, "translation": 128, "maths": 256}  # tokens of an answer, at most half of what the model takes


def write_task(task: TaskSet, folder: Path) -> None:
    """`<name>.jsonl` and the lm-eval YAML that reads it."""
    data = folder / f"{task.name}.jsonl"
    write_rows(data, task.documents)
    definition = {
        "task": task.name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data.absolute())}},
        "test_split": "test",
        "doc_to_text": "text",
        "metadata": {"version": float(KIND_VERSIONS[task.task.kind])},
        **(_choice(task) if task.form == "choice" else _generation(task)),
    }
    (folder / f"{task.name}.yaml").write_text(yaml.safe_dump(definition, allow_unicode=True), encoding="utf-8")


def _choice(task: TaskSet) -> dict[str, Any]:
    return {
        "output_type": "multiple_choice",
        "doc_to_choice": "choices",
        "doc_to_target": "answer",
        "target_delimiter": "" if task.task.kind == "spelling" else " ",  # sentences that nothing stands before
        "metric_list": [{"metric": metric, "aggregation": "mean", "higher_is_better": True} for metric in ("acc", "acc_norm")],
    }


def _generation(task: TaskSet) -> dict[str, Any]:
    """The metric is ours, from raw rows: lm-eval only generates."""
    language, kind = task.languages[0], task.task.kind
    until = [f"\n{wording.PROBLEM[language]}:", "\n\n\n"] if kind == "maths" else ["\n"]
    return {
        "output_type": "generate_until",
        "doc_to_target": "",
        "generation_kwargs": {"until": until, "max_gen_toks": _ROOMS[kind], "do_sample": False},
        "metric_list": [{"metric": "bypass", "aggregation": "bypass", "higher_is_better": True}],
    }


@cache
def manager(folders: tuple[Path, ...], shipped: bool) -> Any:
    """lm-eval's TaskManager over these folders; with `shipped` over its own 10,000 tasks too, which takes half a minute once."""
    from lm_eval.tasks import TaskManager

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    return TaskManager(include_path=[str(folder) for folder in folders], include_defaults=shipped)


def ask(lm: Any, name: str, tasks: Any, chat: bool = False) -> dict[str, Any]:
    """What lm-eval returns for a task or group: `results`, `samples`, `versions`. Its bars and notes stay unseen.

    With `chat`, what is generated goes through the model's chat template; choices are scored after plain text for every model.
    Raises DataError for a task that lm-eval does not know or whose data cannot be read.
    """
    from lm_eval.evaluator import evaluate

    with redirect_stderr(io.StringIO()):
        loaded = _loaded(name, tasks)
        for task in loaded["tasks"].values():
            _settle(task, lm)
        generates = any(task.OUTPUT_TYPE == "generate_until" for task in loaded["tasks"].values())
        found: dict[str, Any] = evaluate(
            lm=lm, task_dict=loaded, bootstrap_iters=0, log_samples=True, apply_chat_template=chat and generates
        )
    return found


def _loaded(name: str, tasks: Any) -> Any:
    if name not in tasks.task_index:
        near = sorted(known for known in tasks.task_index if name.lower()[:6] in known.lower())[:5]
        raise DataError(f"lm-eval has no task {name}", where="eval.tasks", fix=f"one of {', '.join(near) or 'those in its documentation'}")
    try:
        return tasks.load([name])
    except (OSError, ValueError) as error:  # datasets, huggingface_hub
        fix = "its data comes from the hub: run once with a network, or give a folder with a task YAML that reads local files"
        raise DataError(f"lm-eval task {name}: {str(error).splitlines()[0]}", where="eval.tasks", fix=fix) from error


def _settle(task: Any, lm: Any) -> None:
    """What lm-eval's own command line sets before it evaluates, and answers that leave room for a prompt."""
    if task.get_config("num_fewshot") is None:
        task.set_config(key="num_fewshot", value=0)
    task.set_fewshot_seed(seed=1234)
    if task.OUTPUT_TYPE == "generate_until" and (length := getattr(lm, "max_length", None)):
        room = min(int((task.config.generation_kwargs or {}).get("max_gen_toks", 256)), length // 2)
        task.set_config(key="generation_kwargs", value={"max_gen_toks": room}, update=True)


def raw_rows(found: dict[str, Any], name: str, model: str) -> list[Row]:
    """One row a question of a task of ours or lm-eval's: everything that the figures are made of."""
    samples = sorted(found["samples"][name], key=lambda sample: sample["doc_id"])
    one_place = all(isinstance(sample["target"], int) for sample in samples)
    chosen = found["configs"][name].get("output_type") == "multiple_choice" and one_place
    rows = [_chosen(sample, model, name) if chosen else _written(sample) for sample in samples]
    if chosen and len(rows) > 1 and len({row["truth"] for row in rows}) == 1:
        rows = [_turned(row) for row in rows]
    return [{"task": name, "doc_id": sample["doc_id"], **row} for sample, row in zip(samples, rows, strict=True)]


def _chosen(sample: dict[str, Any], model: str, task: str) -> Row:
    """Raises ArtefactError for a log-likelihood that is not finite."""
    prompts, choices = zip(*sample["arguments"], strict=True)
    values = [float(answer[0][0]) for answer in sample["resps"]]
    if not all(map(math.isfinite, values)):
        raise ArtefactError(
            f"{model}: log-likelihoods of {task} question {sample['doc_id']} are not finite: {values}",
            fix="its weights hold NaN or infinity: run the stage that made the model again",
        )
    told_apart = prompts if len(set(choices)) < len(choices) else choices  # Winograd: the beginning differs, not the end
    names = [str(choice) for choice in sample["doc"].get("choices", ())] or [
        str(text).removeprefix(" ") for text in told_apart
    ]  # lm-eval's delimiter does not count
    row = {
        "id": sample["doc"].get("id", ""),
        "text": prompts[0] if len(set(prompts)) == 1 else "",
        "choices": names,
        "truth": int(sample["target"]),
        "loglikelihoods": values,
        "characters": [len(choice) for choice in names],
    }
    return {**row, "guess": guess(row), "guess_norm": normalised_guess(row)}


def _written(sample: dict[str, Any]) -> Row:
    document, prompt = sample["doc"], sample["arguments"][0][0]
    row = {"id": document.get("id", ""), "text": prompt, "written": str(sample["resps"][0][0])}
    if "references" in document:
        return row | {"references": document["references"]} | ({"source": document["source"]} if document.get("source") else {})
    scores = {name: float(sample[name]) for name in sample["metrics"] if isinstance(sample.get(name), int | float)}
    return row | {"target": str(sample["target"]), "scores": scores}


def _turned(row: Row) -> Row:
    """Every second question turned round where a set always has its right answer at one place: a constant answer must not be right."""
    if len(row["text"] + row["choices"][0]) % 2:
        return row
    last = len(row["choices"]) - 1
    turned: Row = {**row, "truth": last - row["truth"], "turned": True}
    for name in ("choices", "loglikelihoods", "characters"):
        turned[name] = row[name][::-1]
    return {**turned, "guess": guess(turned), "guess_norm": normalised_guess(turned)}


def own_figures(found: dict[str, Any], name: str) -> dict[str, Any]:
    """lm-eval's metrics of a task that is no choice, as it aggregates them."""
    result = found["results"][name]
    values = {key.split(",")[0]: value for key, value in result.items() if "," in key and isinstance(value, int | float)}
    return {"n": len(found["samples"][name]), **{key: round(float(value), 4) for key, value in values.items()}}


def truncated(encode: Any, rows: Sequence[Row], length: int) -> int:
    """Number of questions that do not fit whole before their longest choice: they lost their beginning."""
    return sum(
        max(len(encode(f"{row['text']} {choice}")) for choice in row.get("choices", [""])) > length + (1 if "choices" in row else 0)
        for row in rows
    )
