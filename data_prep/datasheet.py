"""A page that says what the corpus is made of, from the same counts as the manifest."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape

from data_prep.pipeline import FUNNEL
from recipes.schema import Recipe


def write(path: Path, recipe: Recipe, facts: dict[str, Any]) -> None:
    """One HTML file without scripts or links to elsewhere."""
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape(["jinja"]), trim_blocks=True)
    page = environment.get_template("datasheet.html.jinja").render(
        recipe=recipe, facts=facts, steps=FUNNEL, languages=recipe.languages, megabytes=lambda size: f"{(size or 0) / 1e6:,.2f}"
    )
    path.write_text(page, encoding="utf-8")
