"""`make slides`: the final presentation, or with --since the weekly one, as one HTML file and a PDF.

python -m report.slides RECIPE [--since 2026-11-17] [--hw OVERLAY] [--set key=value ...]
"""

import argparse
import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from kishi import manifest
from kishi.command import command
from kishi.errors import RecipeError
from recipes.hardware import default_overlay
from recipes.job import Job
from recipes.loading import load_hardware, load_recipe, split_changes
from report.build import SECTIONS
from report.collect import Run, collect
from report.deck import Slide
from report.slides_final import final
from report.slides_weekly import weekly

HERE = Path(__file__).parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Also done where no browser makes the PDF. Exit codes as in recipes.run."""
    options = _parse(arguments)
    changes, hardware_changes = split_changes(options.set)
    recipe = load_recipe(options.recipe, changes)
    hardware = load_hardware(options.hw or default_overlay(), hardware_changes)
    folder = Path(os.environ.get("KISHI_RUNS", "runs")) / recipe.name
    stages = {path.parent.name: path.parent for path in folder.glob(f"*/{manifest.FILE_NAME}") if not path.parent.suffix}
    page = write(collect(Job(recipe, hardware, folder / "slides", stages)), folder, options.since)
    print(page)
    pdf = to_pdf(page)
    print(pdf or f"no PDF: none of {', '.join(BROWSERS)} is installed; open {page} in a browser and print it (landscape, no margins)")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m report.slides", description="A presentation of a run, from its manifests.")
    parser.add_argument("recipe", type=Path, help="a file of recipes/")
    parser.add_argument("--since", help="a day, 2026-11-17: the weekly presentation, what changed since; default: the final one")
    parser.add_argument("--hw", help="overlay whose watts, grid and price fill what the stages' own left open")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as in recipes.run")
    return parser.parse_args(arguments)


def write(run: Run, folder: Path, since: str | None) -> Path:
    """`slides/final.html` or `slides/week-<day>.html` below the run's folder. Raises RecipeError when `since` is no day."""
    sections = [make(run) for make in SECTIONS]
    slides = weekly(run, sections, _day(since), folder) if since else final(run, sections)
    page = folder / "slides" / (f"week-{since}.html" if since else "final.html")
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(render(run.recipe.name, slides), encoding="utf-8")
    return page


def _day(words: str) -> datetime:
    try:
        return datetime.strptime(words, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise RecipeError(f"--since {words} is not a day", where="command line", fix="--since 2026-11-17") from None


def render(name: str, slides: Sequence[Slide]) -> str:
    """The page. Its one script is ours and named by its hash: nothing in a sample or a source's name can run."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style, script = ((HERE / file).read_text(encoding="utf-8") for file in ("slides.css", "slides.js"))
    colours = (HERE / "page.css").read_text(encoding="utf-8")
    hashed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("slides.html.jinja").render(
        name=name, slides=slides, style=Markup(colours + style), script=Markup(script), script_hash=hashed
    )


def to_pdf(page: Path) -> Path | None:
    """The page printed by a headless Chromium; None where there is none. Raises nothing: a browser that fails leaves no PDF."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        return None
    pdf = page.with_suffix(".pdf")
    pdf.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        options = ["--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--no-pdf-header-footer"]
        options += ["--no-sandbox"] if os.geteuid() == 0 else []
        command = [browser, *options, f"--user-data-dir={profile}", f"--print-to-pdf={pdf.resolve()}", page.resolve().as_uri()]
        subprocess.run(command, capture_output=True, check=False, timeout=120)
    return pdf if pdf.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
