"""Runs one stage: checks its inputs, skips it when it is up to date, writes the manifest, puts the folder in its place."""

import os
import platform
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from kishi import manifest
from kishi.errors import ArtefactError
from kishi.manifest import Manifest
from kishi.stage_folder import StageFolder
from recipes import local_files
from recipes.hardware import Hardware
from recipes.job import Job
from recipes.schema import Recipe
from recipes.stages import Stage

RUNS = Path(os.environ.get("KISHI_RUNS", "runs"))
console = Console(highlight=False)


def folder_of(recipe: Recipe, stage_name: str) -> Path:
    """`runs/<recipe>/<stage>`."""
    return RUNS / recipe.name / stage_name


def run_stage(stage: Stage, recipe: Recipe, hardware: Hardware) -> Manifest:
    """Make the stage's folder, or find it up to date. Raises KishiError when it cannot."""
    place = StageFolder(folder_of(recipe, stage.name))
    place.recover()
    inputs = _verified_inputs(stage, recipe)
    files = _files(stage, recipe)
    shown = {key: getattr(hardware, key) for key in stage.overlay}
    fingerprint = _fingerprint(stage, recipe, inputs, files, shown)
    if up_to_date := _finished(place.final, fingerprint):
        console.print(f"[green]✓[/] {stage.name}: up to date")
        return up_to_date
    resumed = place.begin(fingerprint)
    console.rule(f"{stage.name}{' (going on from an earlier attempt)' if resumed else ''}", align="left")
    started, clock = datetime.now(UTC), time.monotonic()
    job = Job(recipe, hardware, place.partial, {name: folder_of(recipe, name) for name in inputs})
    facts = stage.load()(job)
    made = Manifest(
        schema_version=manifest.SCHEMA_VERSION,
        kind=stage.name,
        command=shlex.join(["python", "-m", "recipes.run", *sys.argv[1:]]),
        recipe=stage.section(recipe),
        recipe_sha256=manifest.sha256_of(recipe.model_dump(mode="json")),
        fingerprint=fingerprint,
        code=_code(),
        environment=_environment(hardware),
        seeds={"recipe": recipe.seed},
        inputs={name: _as_input(recipe, name, found) for name, found in inputs.items()},
        files=files,
        outputs=manifest.list_outputs(place.partial),
        facts=facts,
        started=started.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - clock, 1),
    )
    manifest.write(place.partial, made)
    place.promote()
    console.print(f"[green]✓[/] {stage.name}: {made.seconds:.0f} s -> {place.final}")
    return made


def state(stage: Stage, recipe: Recipe) -> tuple[str, str]:
    """("done" | "stale" | "missing" | "partial" | "broken", why) for `status`; does not hash the outputs."""
    place = StageFolder(folder_of(recipe, stage.name))
    if not (place.final / manifest.FILE_NAME).is_file():
        return ("partial", "was interrupted; run it again to go on") if place.partial.exists() else ("missing", "not run yet")
    try:
        found = manifest.read(place.final)
        inputs = {name: manifest.read(folder_of(recipe, name)) for name in found.inputs}
    except ArtefactError as error:
        return "broken", error.what
    if found.recipe != stage.section(recipe):
        changed = [key for key, value in stage.section(recipe).items() if found.recipe.get(key) != value]
        return "stale", f"recipe changed: {', '.join(changed)}"
    files = _files(stage, recipe)
    if changed := [path for path, now in files.items() if found.files.get(path) != now]:
        gone = [path for path in changed if files[path] == local_files.MISSING]
        return "stale", f"no such file: {', '.join(gone)}" if gone else f"changed: {', '.join(changed)}"
    for name, other in inputs.items():
        if other.content_sha256 != found.inputs[name].content_sha256:
            return "stale", f"{name} was made again"
    return "done", found.started


def _files(stage: Stage, recipe: Recipe) -> dict[str, str]:
    """What it reads besides the stages' folders, and the state of each."""
    beside = [RUNS / recipe.name / name for name in stage.folders]
    beside += map(Path, stage.repository)
    return local_files.states(recipe, stage.files) | {path.as_posix(): local_files.state(path) for path in beside}


def _verified_inputs(stage: Stage, recipe: Recipe) -> dict[str, Manifest]:
    names = stage.inputs
    if stage.optional_inputs:
        names = tuple(name for name in names if (folder_of(recipe, name) / manifest.FILE_NAME).is_file())
    found = {}
    for name in names:
        if not (folder_of(recipe, name) / manifest.FILE_NAME).is_file():
            raise ArtefactError(f"{stage.name} needs {name}, which has not finished", where=folder_of(recipe, name), fix=f"make {name}")
        found[name] = manifest.verify(folder_of(recipe, name))
    return found


def _fingerprint(stage: Stage, recipe: Recipe, inputs: dict[str, Manifest], files: dict[str, str], shown: dict[str, float | None]) -> str:
    made_from = [stage.section(recipe), {name: found.content_sha256 for name, found in inputs.items()}, files]
    return manifest.sha256_of([*made_from, shown] if shown else made_from)


def _finished(folder: Path, fingerprint: str) -> Manifest | None:
    """The manifest when the folder is complete, undamaged and made from the same things."""
    if not (folder / manifest.FILE_NAME).is_file():
        return None
    found = manifest.verify(folder)
    return found if found.fingerprint == fingerprint else None


def _as_input(recipe: Recipe, name: str, found: Manifest) -> manifest.Input:
    folder = folder_of(recipe, name)
    hashed = manifest.sha256_file(folder / manifest.FILE_NAME)
    return manifest.Input(path=folder.as_posix(), manifest_sha256=hashed, content_sha256=found.content_sha256)


def _git(*arguments: str) -> str:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _code() -> dict[str, Any]:
    return {"commit": _git("rev-parse", "HEAD") or None, "dirty": bool(_git("status", "--porcelain"))}


def _environment(hardware: Hardware) -> dict[str, Any]:
    locks = {path.stem: manifest.sha256_file(path) for path in sorted(Path("requirements").glob("*.txt"))}
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "locks_sha256": manifest.sha256_of(locks),
        "hardware": hardware.model_dump(mode="json"),
    }
