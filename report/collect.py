"""Reads the stages' manifests and JSON artefacts. What is missing or unreadable becomes a remark, never an error."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kishi import manifest
from kishi.errors import ArtefactError
from kishi.jsonl import Row, read_rows
from kishi.manifest import Manifest
from recipes.job import Job
from recipes.schema import Recipe

STAGES = (
    "data",
    "tokenizer",
    "index",
    "pretrain-phase1",
    "pretrain-phase2",
    "export-hf",
    "chat-data",
    "sft",
    "dpo",
    "grpo",
    "reward",
    "tools",
    "gguf",
    "eval",
)


@dataclass
class Run:
    """Everything that the page is made from."""

    recipe: Recipe
    folders: Mapping[str, Path]
    overlay: Mapping[str, Any] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def facts(self, stage: str) -> dict[str, Any]:
        """What the stage said about itself; empty when it has not run."""
        return self.manifests[stage].facts if stage in self.manifests else {}

    def rows(self, stage: str, name: str) -> list[Row]:
        """The objects in a JSON Lines file of a stage; empty when it is not there."""
        path = self._path(stage, name)
        if path is None:
            return []
        rows: list[Row] = []
        try:
            rows.extend(row for row in read_rows(path) if isinstance(row, dict))
        except (OSError, ValueError) as error:
            self.remarks.append(f"{stage}/{name}: not all readable ({error}); what comes after is left out")
        return rows

    def value(self, stage: str, name: str) -> Any:
        """A JSON file of a stage; None when it is not there."""
        path = self._path(stage, name)
        return self._json(path, f"{stage}/{name}") if path else None

    def beside(self, folder: str, name: str) -> Any:
        """A JSON file of a plain folder next to the stages' ones (`make fertility`); None when it is not there."""
        path = next((stage.parent / folder / name for stage in self.folders.values()), None)
        return self._json(path, f"{folder}/{name}") if path and path.is_file() else None

    def _json(self, path: Path, label: str) -> Any:
        try:
            return json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            self.remarks.append(f"{label}: not readable ({error})")
            return None

    def _path(self, stage: str, name: str) -> Path | None:
        if stage not in self.manifests:
            return None
        path = self.folders[stage] / name
        if not path.is_file():
            self.remarks.append(f"{stage}/{name}: not there")
            return None
        return path


def collect(job: Job) -> Run:
    """Read the manifests of all stages that have one, and note what does not fit together."""
    run = Run(job.recipe, job.inputs, job.hardware.model_dump(mode="json"))
    for stage in (*STAGES, *sorted(set(job.inputs) - set(STAGES))):
        if stage not in job.inputs:
            continue
        try:
            run.manifests[stage] = manifest.read(job.inputs[stage])
        except ArtefactError as error:
            run.remarks.append(f"{stage}: {error.what}")
    run.remarks += _stale(run)
    return run


def _stale(run: Run) -> list[str]:
    """Stages made from another recipe or from inputs that were made again since: their figures do not belong together."""
    remarks = []
    for stage, found in run.manifests.items():
        changed = [key for key, value in found.recipe.items() if _part(run.recipe, key) != value]
        if changed:
            remarks.append(f"{stage}: stale, made with another recipe ({', '.join(changed)} differ)")
        for name, used in found.inputs.items():
            if name in run.manifests and run.manifests[name].content_sha256 != used.content_sha256:
                remarks.append(f"{stage}: stale, {name} was made again after it")
    return remarks


def _part(recipe: Recipe, dotted: str) -> Any:
    try:
        return recipe.part(dotted)
    except KeyError:  # a manifest of another version of the code
        return None
