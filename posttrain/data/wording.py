"""The sentences of `wording.yaml`."""

from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import yaml


@cache
def wording() -> dict[str, Any]:
    """All of it."""
    found: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("wording.yaml").read_text(encoding="utf-8"))
    return found


def translation_names(language: str, source: str, target: str) -> dict[str, str]:
    """What a sentence in `language` calls the two languages, in the forms that `wording.yaml` explains."""
    names = wording()["names"][language]
    found = {"to": names["to"][target], "from": names["from"][source], "in": names["in"][target]}
    return found | {key.capitalize(): value[0].upper() + value[1:] for key, value in found.items() if key != "in"}


def sentence(draw: Random, key: str, language: str, text: str, names: dict[str, str] | None = None) -> str:
    """One of the key's sentences with its places filled; the text's own braces stay as they are."""
    chosen: str = draw.choice(wording()[key][language])
    for name, value in (names or {}).items():
        chosen = chosen.replace("{" + name + "}", value)
    return chosen.replace("{x}", text)
