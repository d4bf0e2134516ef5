"""The heavy evaluation, apart from the chain: any models on any tasks, resumable, one model and one task at a time.

    python -m eval.suite MODEL... --tasks FILE --out FOLDER [--chat MODEL...] [--heldout runs/R/data/heldout] [--data runs/R/data]

MODEL is a folder in Hugging Face's layout, a name on the hub (owner/name, or owner/name@commit), or a .gguf file; `name=MODEL` gives it a
short name. FILE is a recipe, or a YAML file with `tasks:` as a recipe's `eval` has them. Exported checkpoints (phase1-step0000400) are
drawn as curves. The same command goes on after a kill, and adds models and tasks to what is there.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from eval import any_model, comparison, decontamination, examination, kept_rows
from eval.evaluate import offline
from eval.examination import Tasks
from kishi.command import command
from kishi.errors import RecipeError
from kishi.jsonl import write_json, write_rows
from kishi.languages import LANGUAGES, Language
from kishi.plot import lines
from recipes.schema_eval import Task

_STEP = re.compile(r"(?:phase(\d+)-)?step(\d+)$")


class Suite(BaseModel):
    """A file of tasks; other keys of a recipe are not read."""

    model_config = ConfigDict(frozen=True)
    tasks: tuple[Task, ...]
    languages: tuple[Language, ...] = LANGUAGES


@dataclass(frozen=True)
class Subject:
    """A model to measure. `chat`: what it generates goes through its chat template."""

    name: str
    model: str
    revision: str | None
    chat: bool


def subjects(plain: Sequence[str], chat: Sequence[str]) -> list[Subject]:
    """Raises RecipeError for two of one name."""
    found = [_subject(text, False) for text in plain] + [_subject(text, True) for text in chat]
    names = [subject.name for subject in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise RecipeError(f"two models are called {', '.join(twice)}", where="eval.suite", fix="give one a name: NAME=MODEL")
    return found


def _subject(text: str, chat: bool) -> Subject:
    name, _, model = text.rpartition("=")
    model, _, revision = model.partition("@") if not Path(model).exists() else (model, "", "")
    path = Path(model)
    usual = path.parent.name if path.name == "model" else path.stem if any_model.is_gguf(model) else path.name
    return Subject(name or usual, model, revision or None, chat)


def read_tasks(file: Path, heldout: Path | None) -> Suite:
    """Tasks of a recipe or of a file of tasks, and each held-out language as one of bits per byte."""
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
        section = found.get("eval", found)
        mix = (found.get("data") or {}).get("mix") or LANGUAGES
        suite = Suite.model_validate(
            {"languages": tuple(mix), **{key: value for key, value in section.items() if key in Suite.model_fields}}
        )
    except (OSError, yaml.YAMLError, AttributeError) as error:
        raise RecipeError(
            f"not a file of tasks: {error}", where=file, fix="a recipe, or `tasks:` with a list; see docs/evaluation.md"
        ) from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise RecipeError(faults, where=file, fix="mend these; docs/evaluation.md shows what a task may say") from error
    texts = [
        Task(name="heldout", kind="bits_per_byte", path=str(path), license="as the corpus", languages=(language,))
        for language in (suite.languages if heldout else ())
        for path in [(heldout or Path()) / f"{language}.jsonl.zst"]
    ]
    return suite.model_copy(update={"tasks": (*suite.tasks, *texts)})


def run(found: Sequence[Subject], tasks: Tasks, out: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure what is missing; write `results.json`, `table.md`, `samples/`, `curves/` from all that is in the folder."""
    for number, subject in enumerate(found, 1):
        _measure(subject, tasks, out, options, f"{number}/{len(found)}")
    results = _gathered(out)
    write_json(out / "results.json", results)
    (out / "table.md").write_text(comparison.table(results), encoding="utf-8")
    for name, (title, series) in curves(results).items():
        (out / "curves").mkdir(exist_ok=True)
        (out / "curves" / f"{name}.svg").write_text(lines(title, series, "step"), encoding="utf-8")
    return results


def _measure(subject: Subject, tasks: Tasks, out: Path, options: argparse.Namespace, place: str) -> None:
    """Each unit is a file; the model is opened only when one is missing."""
    identity = [any_model.identity(subject.model, subject.revision), options.length, subject.chat]
    folder = out / "units" / subject.name
    units = {unit: json.dumps([key, *identity]) for unit, key in tasks.units().items()}
    missing = [unit for unit, key in units.items() if not kept_rows.has(folder / f"{unit}.json", key)]
    print(f"{place} {subject.name}: {len(units) - len(missing)} of {len(units)} tasks measured before", flush=True)
    if not missing:
        return
    threads, device = options.threads, options.device
    with any_model.opened(subject.model, options.length, subject.chat, device, threads, subject.revision) as model:
        about = {"model": subject.model, "revision": subject.revision, "chat": subject.chat, "length": model.length}
        write_json(folder / "about.json", about | {"bytes": any_model.size_of(subject.model), "unused": getattr(model, "unused", [])})
        for unit in missing:
            print(f"  {unit}", flush=True)
            kept_rows.once(folder / f"{unit}.json", units[unit], partial(tasks.ask, unit, subject.name, model))


def _gathered(out: Path) -> dict[str, Any]:
    """All models and tasks that this folder holds. Raises ArtefactError when two versions of one task are among them."""
    results: dict[str, Any] = {"models": {}, "tasks": {}}
    for about in sorted((out / "units").glob("*/about.json")):
        name, rows = about.parent.name, []
        results["models"][name] = {**json.loads(about.read_bytes()), "tasks": {}}
        for path in sorted(path for path in about.parent.glob("*.json") if path != about):
            for label, one in json.loads(path.read_bytes())["measured"].items():
                comparison.refuse_other_versions(results["tasks"], {label: one["described"]}, path)
                results["tasks"][label] = one["described"]
                results["models"][name]["tasks"][label] = one["figures"]
                rows += one["rows"]
        write_rows(out / "samples" / f"{name}.jsonl", rows)
    return results


def curves(results: Mapping[str, Any]) -> dict[str, tuple[str, dict[str, list[tuple[float, float]]]]]:
    """Task -> (title, phase -> (step, main figure)) where at least two exported checkpoints were measured."""
    found = {}
    for label in results["tasks"]:
        series: dict[str, list[tuple[float, float]]] = {}
        for phase, step, figures in _checkpoints(results["models"], label):
            if main := comparison.main_figure(figures):
                series.setdefault(f"{main}, phase {phase}", []).append((step, figures[main]))
        series = {name: sorted(points) for name, points in series.items() if len(points) > 1}
        if series:
            found[label] = (label, series)
    return found


def _checkpoints(models: Mapping[str, Any], label: str) -> Iterator[tuple[str, int, Any]]:
    for name, row in models.items():
        if (match := _STEP.search(name)) and label in row["tasks"]:
            yield match.group(1) or "1", int(match.group(2)), row["tasks"][label]


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and where it is."""
    parser = argparse.ArgumentParser(prog="python -m eval.suite", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", help="measured as they go on from plain text")
    parser.add_argument("--chat", nargs="+", default=[], metavar="MODEL", help="models whose answers go through their chat template")
    parser.add_argument("--tasks", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--heldout", type=Path, help="folder with kk.jsonl.zst ...: bits per byte of its documents")
    parser.add_argument("--data", type=Path, help="data stage that ALL of these models were trained on: says what was decontaminated")
    parser.add_argument("--length", type=int, default=any_model.LONGEST, help="tokens at most (default: %(default)s)")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--threads", type=int)
    options = parser.parse_args(arguments)
    suite, found = read_tasks(options.tasks, options.heldout), subjects(options.models, options.chat)
    if not found:
        raise RecipeError("no model is named", where="eval.suite", fix="MODEL... or --chat MODEL...")
    hub = any(not Path(subject.model).exists() for subject in found) or any(
        task.kind == "lm_eval" and not task.path for task in suite.tasks
    )
    offline(options.out, hub)
    data = decontamination.manifest_of(options.data)
    tasks = examination.prepare(suite.tasks, suite.languages, options.out / ".tasks", data)
    print(comparison.table(run(found, tasks, options.out, options)), end="")
    print(f"-> {options.out}/: results.json, table.md, samples/, curves/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
