"""YAML files and `--set` overrides -> frozen models. Every fault is reported at once with file, line and the nearest valid key."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from kishi.errors import RecipeError
from recipes.hardware import OVERLAYS, Hardware
from recipes.schema import Recipe

Path_ = tuple[str | int, ...]
Lines = dict[Path_, str]


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """The recipe in `path` after `overrides` ("train.steps=20"). Raises RecipeError listing every fault."""
    return _load(path, overrides, Recipe)


def split_changes(changes: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Those of the recipe, and those of the overlay, which begin with `hw.` (left out in the result)."""
    hardware = tuple(change.removeprefix("hw.") for change in changes if change.startswith("hw."))
    return tuple(change for change in changes if not change.startswith("hw.")), hardware


def load_hardware(name: str, overrides: Sequence[str] = ()) -> Hardware:
    """The overlay `name` of nemo_configs/, or a path to a YAML file elsewhere, after `overrides` ("micro_batch_size=8")."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else OVERLAYS / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in OVERLAYS.glob("*.yaml")))
        raise RecipeError(f"no such overlay: {name}", where="--hw", fix=f"use one of: {known}")
    return _load(path, overrides, Hardware)


def _load[M: BaseModel](path: Path, overrides: Sequence[str], model: type[M]) -> M:
    values, lines = _read_yaml(path)
    faults = [fault for text in overrides if (fault := _apply_override(values, lines, text))]
    try:
        result = model.model_validate(values)
    except ValidationError as error:
        faults += [_describe(dict(e), lines, path, model) for e in error.errors()]
        raise RecipeError("\n".join(faults)) from None
    if faults:
        raise RecipeError("\n".join(faults))
    return result


def _read_yaml(path: Path) -> tuple[dict[str, Any], Lines]:
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except FileNotFoundError:
        raise RecipeError("no such file", where=path, fix="the recipes are in recipes/") from None
    except OSError as error:  # a folder, a file that may not be read
        raise RecipeError(f"cannot be read: {error.strerror}", where=path, fix="the recipes are in recipes/") from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"not UTF-8 (byte {error.start})", where=path) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise RecipeError(f"not valid YAML: {getattr(error, 'problem', error)}", where=where) from None
    lines: Lines = {}
    _collect_lines(node, (), path, lines)
    if not isinstance(values, dict):
        raise RecipeError("a recipe is a mapping of sections", where=path)
    return values, lines


def _collect_lines(node: yaml.Node | None, at: Path_, path: Path, lines: Lines) -> None:
    """Remember the line of each key; a key given twice would silently win over the first, so it is a fault."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            place = (*at, key.value)
            if place in lines:
                raise RecipeError(f"{_dotted(place)}  given twice", where=f"{path}:{key.start_mark.line + 1}")
            lines[place] = f"{path}:{key.start_mark.line + 1}"
            _collect_lines(value, place, path, lines)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            lines[(*at, number)] = f"{path}:{value.start_mark.line + 1}"
            _collect_lines(value, (*at, number), path, lines)


def _apply_override(values: dict[str, Any], lines: Lines, text: str) -> str | None:
    """Put one `a.b.0.c=value` (value in YAML) into `values`; returns a fault, or None."""
    key, equals, raw = text.partition("=")
    where = f"--set {text}"
    if not equals or not key:
        return f"{where}  expected key=value"
    place: Path_ = tuple(int(part) if part.isdigit() else part for part in key.split("."))
    target: Any = values  # a mapping or a list, as deep as the key goes
    for part in place[:-1]:
        if isinstance(target, dict) and target.get(part) is None:
            target[part] = {}
        if not _holds(target, part):
            return f"{where}  there is no {key}"
        target = target[part]
    if not isinstance(target, dict) and not _holds(target, place[-1]):
        return f"{where}  there is no {key}"
    try:
        target[place[-1]] = yaml.safe_load(raw)  # _holds has checked the index of a list
    except yaml.YAMLError:
        return f"{where}  the value is not valid YAML"
    lines[place] = where
    return None


def _holds(target: Any, part: str | int) -> bool:
    if isinstance(target, list):
        return isinstance(part, int) and part < len(target)
    return isinstance(target, dict) and part in target


def _describe(error: dict[str, Any], lines: Lines, path: Path, model: type[BaseModel]) -> str:
    place: Path_ = tuple(error["loc"])
    where = next((lines[place[:n]] for n in range(len(place), 0, -1) if place[:n] in lines), str(path))
    if error["type"] == "extra_forbidden":
        keys = _keys_at(model, place[:-1])
        near = difflib.get_close_matches(str(place[-1]), keys, n=1)
        what = f"unknown key, did you mean {near[0]}?" if near else f"unknown key; there are: {', '.join(keys)}"
    elif error["type"] == "missing":
        what = "missing"
    else:
        what = f"{error['msg'].removeprefix('Value error, ')} (got {error['input']!r})"[:300]
    return f"{where}  {_dotted(place)}  {what}"


def _dotted(place: Path_) -> str:
    return ".".join(str(part) for part in place) or "recipe"


def _keys_at(model: type[BaseModel], place: Path_) -> list[str]:
    """The valid keys of the section at `place`."""
    current: Any = model
    for part in place:
        if isinstance(part, str) and (field := getattr(current, "model_fields", {}).get(part)):
            current = _section_of(field.annotation)
    return list(getattr(current, "model_fields", {}))


def _section_of(annotation: Any) -> Any:
    """The model class inside `X | None` or `tuple[X, ...]`."""
    if get_origin(annotation) in (Union, UnionType, tuple):
        return next((a for a in get_args(annotation) if isinstance(a, type) and issubclass(a, BaseModel)), None)
    return annotation
