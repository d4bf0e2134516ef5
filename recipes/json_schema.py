"""JSON Schemas of recipes and overlays, for editors: `python -m recipes.json_schema` writes them where the YAML files name them."""

import json
from pathlib import Path

from recipes.hardware import OVERLAYS, Hardware
from recipes.schema import Recipe

FILES: dict[Path, type[Recipe] | type[Hardware]] = {Path("recipes/schema.json"): Recipe, OVERLAYS / "schema.json": Hardware}


def render(model: type[Recipe] | type[Hardware]) -> str:
    """The text of one schema file."""
    return json.dumps(model.model_json_schema(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    for path, model in FILES.items():
        path.write_text(render(model), encoding="utf-8")
