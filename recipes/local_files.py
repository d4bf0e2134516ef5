"""The state of the local files that a recipe names, so that a stage whose files have changed is seen as stale.

A file, or a folder with all that is below it, of up to 64 MB is hashed by content (about a tenth of a second); a larger one by the
names, sizes and times of its files, since hashing a whole corpus at each `status` would take minutes. Touching a file of such a
folder thus makes the stage stale even where the bytes are the same.
"""

import os
from functools import cache
from pathlib import Path

from kishi import manifest
from recipes.schema import Recipe

HASHED_BYTES = 64 * 10**6
MISSING = "missing"


def named(recipe: Recipe, parts: tuple[str, ...]) -> list[Path]:
    """The paths in these parts of a recipe: "base", "data", "eval", "peers", "chat" (all of it) or "compared" (its examples, not the
    text that examples are made of). They need not exist.
    """
    paths: list[Path] = [Path(recipe.base.path)] if "base" in parts and recipe.base and recipe.base.path else []
    if "data" in parts:
        folder = Path(recipe.data.folder or ".")
        paths += [folder / source.path for source in recipe.data.sources if source.path]
        paths += [Path(source.hub.dataset) for source in recipe.data.sources if source.hub and not source.hub.revision]
    paths += _evaluated(recipe) if "eval" in parts else []
    paths += [Path(peer.model) for peer in recipe.eval.peers if "peers" in parts and Path(peer.model).exists()]
    if "chat" in parts:
        paths += [path for source in recipe.chat.sources if (path := recipe.chat.file_of(source))]
        paths += [Path(source.hub.dataset) for source in recipe.chat.sources if source.hub and not source.hub.revision]
        paths += map(Path, recipe.chat.against)
    if "compared" in parts:
        paths += recipe.chat.compared.values()
    return paths


def _evaluated(recipe: Recipe) -> list[Path]:
    """Task files and what chat models are asked."""
    chat = recipe.eval.chat
    files = [task.path for task in recipe.eval.tasks] + ([chat.translation, chat.pairs, chat.conversations] if chat else [])
    return [Path(path) for path in files if path]


def states(recipe: Recipe, parts: tuple[str, ...]) -> dict[str, str]:
    """Path -> what identifies its content now, or "missing" (the stage itself then says what to do)."""
    return {path.as_posix(): state(path) for path in named(recipe, parts)}


def state(path: Path) -> str:
    """Hash of one file or folder as said above."""
    try:
        files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
        seen = [(file.relative_to(path.parent).as_posix(), file.stat()) for file in files]
    except OSError:
        return MISSING
    if not path.exists():
        return MISSING
    if sum(stat.st_size for _, stat in seen) > HASHED_BYTES:
        return manifest.sha256_of([[name, stat.st_size, stat.st_mtime_ns] for name, stat in seen])
    return manifest.sha256_of([[name, _content(file, stat)] for file, (name, stat) in zip(files, seen, strict=True)])


def _content(path: Path, stat: os.stat_result) -> str:
    return _hashed(path.absolute(), stat.st_size, stat.st_mtime_ns)


@cache
def _hashed(path: Path, size: int, time: int) -> str:
    """Several stages name the same files: each is read once a command unless it changes."""
    try:
        return manifest.sha256_file(path)
    except OSError:
        return MISSING
