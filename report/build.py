"""The report stage: one HTML page that needs nothing else, from what the finished stages left."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from recipes.job import Job
from report import (
    sections_chat,
    sections_cost,
    sections_evaluation,
    sections_models,
    sections_posttrain,
    sections_run,
    sections_tokenizer,
    sections_tools,
    sections_training,
)
from report.collect import Run, collect
from report.view import Section

HERE = Path(__file__).parent
SECTIONS = (
    sections_run.summary,
    sections_training.pretraining,
    sections_evaluation.evaluation,
    sections_posttrain.post_training,
    sections_tools.function_calling,
    sections_models.quantised,
    sections_models.answers,
    sections_training.samples,
    sections_training.data,
    sections_tokenizer.tokenizer,
    sections_chat.chat_data,
    sections_cost.optimisations,
    sections_cost.cost,
    sections_run.provenance,
)


def run(job: Job) -> dict[str, Any]:
    """Write `index.html`; facts say which sections have content, and the page's size."""
    found = collect(job)
    sections = [make(found) for make in SECTIONS]
    page = render(found, sections).encode("utf-8")
    partial = job.folder / ".index.html.partial"
    partial.write_bytes(page)
    partial.replace(job.folder / "index.html")
    return {
        "sections": [section.id for section in sections if section.present],
        "missing": [section.id for section in sections if not section.present],
        "remarks": found.remarks,
        "page_bytes": len(page),
    }


def render(found: Run, sections: list[Section]) -> str:
    """The page. Everything but our own style sheet and SVG is escaped."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style = Markup((HERE / "page.css").read_text(encoding="utf-8"))
    remarks = list(dict.fromkeys(found.remarks))
    return environment.get_template("page.html.jinja").render(name=found.recipe.name, style=style, sections=sections, remarks=remarks)
