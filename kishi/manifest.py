"""`manifest.json`: what a finished stage was made from, with what, and what it holds. Written last, so its presence means "complete"."""

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from kishi.errors import ArtefactError
from kishi.jsonl import write_json

FILE_NAME = "manifest.json"
SCHEMA_VERSION = 1


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Output(_Part):
    """One file of the stage's folder; `path` is relative to it."""

    path: str
    bytes: int
    sha256: str


class Input(_Part):
    """An earlier stage that was read; `content_sha256` covers its output files, not its times."""

    path: str
    manifest_sha256: str
    content_sha256: str


class Manifest(_Part):
    """See docs/artefacts.md for each key."""

    schema_version: int
    kind: str
    command: str
    recipe: dict[str, Any]
    recipe_sha256: str
    fingerprint: str
    code: dict[str, Any]
    environment: dict[str, Any]
    seeds: dict[str, int]
    inputs: dict[str, Input]
    files: dict[str, str] = {}
    outputs: list[Output]
    facts: dict[str, Any]
    started: str
    seconds: float

    @property
    def content_sha256(self) -> str:
        """Identity of what the folder holds: the names and hashes of its files."""
        return sha256_of([[o.path, o.sha256] for o in self.outputs])


def sha256_of(value: object) -> str:
    """Hash of a JSON value, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def sha256_file(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def list_outputs(folder: Path) -> list[Output]:
    """Every file below the folder, sorted, hashed. Names that begin with a dot are the stage's own notes and do not count."""
    outputs = []
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and relative.name != FILE_NAME and not any(part.startswith(".") for part in relative.parts):
            outputs.append(Output(path=relative.as_posix(), bytes=path.stat().st_size, sha256=sha256_file(path)))
    return outputs


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest whole or not at all."""
    write_json(folder / FILE_NAME, manifest.model_dump(mode="json"))


def read(folder: Path) -> Manifest:
    """The folder's manifest. Raises ArtefactError when it is missing or not readable as one."""
    path = folder / FILE_NAME
    if not path.is_file():
        raise ArtefactError("no manifest.json: the stage that makes this folder has not finished", where=folder, fix="run that stage")
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ArtefactError(
            f"not a valid manifest: {place} {first['msg']}", where=path, fix="delete the folder and run its stage again"
        ) from error


def verify(folder: Path) -> Manifest:
    """The manifest, after checking size and sha256 of every file that it lists. Raises ArtefactError naming the first that differs."""
    manifest = read(folder)
    again = f"delete {folder} and run its stage again"
    for output in manifest.outputs:
        path = folder / output.path
        if not path.is_file():
            raise ArtefactError("listed in manifest.json but missing", where=path, fix=again)
        if path.stat().st_size != output.bytes:
            raise ArtefactError(f"{path.stat().st_size} bytes, manifest.json says {output.bytes}", where=path, fix=again)
        if sha256_file(path) != output.sha256:
            raise ArtefactError("content differs from the sha256 in manifest.json", where=path, fix=again)
    return manifest
