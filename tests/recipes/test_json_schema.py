"""The schemas that editors read: current, and named by every YAML file."""

from pathlib import Path

import pytest

from recipes.json_schema import FILES, render


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_the_file_is_what_the_models_say(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == render(FILES[path]), "run: python -m recipes.json_schema"


@pytest.mark.parametrize("path", [p for schema in FILES for p in sorted(schema.parent.glob("*.yaml"))], ids=lambda p: p.stem)
def test_every_yaml_file_names_its_schema(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=schema.json\n")
