"""Whether what a model was trained on had been cleaned of a task's text: said by the manifest of its data stage, never assumed."""

from pathlib import Path

from kishi import manifest
from kishi.errors import ArtefactError
from kishi.manifest import Manifest
from recipes.local_files import state
from recipes.schema_eval import Task

REMOVED = "removed from training"
UNKNOWN = "unknown"


def of(task: Task, data: Manifest | None) -> str:
    """`REMOVED` when the data stage compared its documents with this very file (by its hash), else `UNKNOWN`."""
    if data is None or task.file is None:
        return UNKNOWN
    compared = task.name in (data.facts.get("decontaminated_against") or {})
    same = data.files.get(Path(task.file).as_posix()) == state(Path(task.file))
    return REMOVED if compared and same else UNKNOWN


def manifest_of(data: Path | None) -> Manifest | None:
    """That of a data stage's folder; None when there is none to read."""
    try:
        return manifest.read(data) if data else None
    except ArtefactError:
        return None
