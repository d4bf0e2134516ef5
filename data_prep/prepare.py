"""The data stage: sources to `corpus/`, `heldout/` and the evidence. The steps are in `pipeline.py`."""

import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from data_prep import datasheet
from data_prep.document import PUBLISHED
from data_prep.executor import run_steps
from data_prep.heldout import FOLDERS as HELDOUT
from data_prep.pipeline import FUNNEL, steps
from data_prep.score import score_cleaning
from data_prep.sources import Unit, plan
from data_prep.statistics import Statistics, mix_shares
from kishi.errors import DataError
from kishi.jsonl import Row, read_rows, write_json, write_rows
from kishi.stage_folder import remove_at_once
from recipes.job import Job

WORK = ".work"


def run(job: Job) -> dict[str, Any]:
    """Make the files named in docs/data.md; the same bytes each time, whatever the machine and however often it was killed."""
    data, work = job.recipe.data, (job.folder / WORK).absolute()
    units = plan(data)
    run_steps(steps(job.recipe, units, work, (job.folder / "corpus").absolute()), work, job.hardware, len(units))
    statistics = Statistics(work, len(units))
    _refuse_empty(statistics, units, work, job)
    facts = _facts(job, statistics, work, units)
    _write(job.folder, work, len(units), facts)
    datasheet.write(job.folder / "datasheet.html", job.recipe, facts)
    Console().print(_summary(facts))
    remove_at_once(work)
    return facts


def _refuse_empty(statistics: Statistics, units: Sequence[Unit], work: Path, job: Job) -> None:
    """A source without a document, or a phase without text, is an error."""
    for source in job.recipe.data.sources:
        ranks = [rank for rank, unit in enumerate(units) if unit.source.name == source.name]
        if not statistics.documents("collect", ranks):
            bad = [row for rank in ranks for row in read_rows(work / "quarantine" / f"{rank:05d}.jsonl")]
            why = (
                f"{len(bad)} lines were rejected, the first ({bad[0]['file']}:{bad[0]['line']}) because: {bad[0]['reason']}" if bad else ""
            )
            raise DataError(
                f"source {source.name}: not one usable document",
                where=source.path or source.hub,
                fix=why or "the files are empty; point the source at text",
            )
    tiers = statistics.tiers("mix")
    if missing := [phase.tier for phase in job.recipe.pretrain.phases if phase.tier not in tiers]:
        raise DataError(f"no text is left in the {missing[0]} tier, which a phase trains on", fix="loosen the filters or add a source")


def _facts(job: Job, statistics: Statistics, work: Path, units: Sequence[Unit]) -> dict[str, Any]:
    data = job.recipe.data
    heldout = {tier: Counter(row["lang"] for row in _rows(work / "documents" / folder)) for tier, folder in HELDOUT.items()}
    tiers = [tier for tier in ("dirty", "clean") if tier in statistics.tiers("mix")]
    kept = statistics.by_language("mix")
    facts: dict[str, Any] = {
        "documents": {tier: kept[tier]["documents"] for tier in tiers},
        "bytes": {tier: kept[tier]["bytes"] for tier in tiers},
        "heldout_documents": dict(sorted(heldout["clean"].items())),
        "heldout_dirty_documents": dict(sorted(heldout["dirty"].items())),
        "mix": {"asked": dict(data.mix), **{tier: mix_shares(kept[tier]["bytes"], data.mix) for tier in tiers}},
        "funnel": {tier: _funnel(statistics, tier) for tier in tiers},
        "removed": {tier: statistics.removed(tier, "documents") for tier in tiers},
        "removed_by_language": {tier: statistics.removed_by_language(tier) for tier in tiers},
        "cut_lines": {tier: statistics.removed(tier, "lines") for tier in tiers},
        "sources": statistics.by_source(FUNNEL),
        "demoted": statistics.notes("filters", "demoted"),
        "decontaminated_against": statistics.note("decontamination", "compared_with"),
        "evaluation_texts_too_short_to_check": statistics.note("decontamination", "too_short"),
        "quarantined": sum(1 for _ in _rows(work / "quarantine")),
        "licenses": {source.name: source.license or "each row's" for source in data.sources},
        "shard_sources": [unit.source.name for unit in units],
    }
    if data.corrupt:
        facts["cleaning_score"] = score_cleaning(_rows(work / "documents" / "decontaminated"), _removed(work))
    return facts


def _funnel(statistics: Statistics, tier: str) -> list[dict[str, Any]]:
    """A row a step, from the first that had documents: a tier made by `corrupt.py` begins after collecting."""
    rows = [{"step": step, **statistics.by_language(step).get(tier, {"documents": {}, "bytes": {}})} for step in FUNNEL]
    first = next(place for place, row in enumerate(rows) if row["documents"])
    return rows[first:]


def _rows(folder: Path) -> Iterator[Row]:
    for path in sorted(folder.glob("*.jsonl*")):
        yield from read_rows(path)


def _removed(work: Path) -> Iterator[Row]:
    for step in FUNNEL:
        yield from _rows(work / step)


def _write(folder: Path, work: Path, ranks: int, facts: dict[str, Any]) -> None:
    for name, languages in (("heldout", facts["heldout_documents"]), ("heldout-dirty", facts["heldout_dirty_documents"])):
        for language in languages:
            rows = (row for row in _rows(work / "documents" / name) if row["lang"] == language)
            keys = ("id", "text", *PUBLISHED)
            write_rows(folder / name / f"{language}.jsonl.zst", ({key: row[key] for key in keys} for row in rows))
    for step in FUNNEL:
        _join([work / step / f"{rank:05d}.jsonl.zst" for rank in range(ranks)], folder / "removed" / f"{step.replace(' ', '-')}.jsonl.zst")
    _join([work / "quarantine" / f"{rank:05d}.jsonl" for rank in range(ranks)], folder / "quarantine.jsonl")
    write_json(folder / "statistics.json", facts)


def _join(parts: Sequence[Path], whole: Path) -> None:
    """Parts one after the other: frames of one archive, or plain lines."""
    whole.parent.mkdir(parents=True, exist_ok=True)
    partial = whole.with_name(whole.name + ".partial")
    with partial.open("wb") as sink:
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, sink)
    partial.replace(whole)


def _summary(facts: dict[str, Any]) -> str:
    kept = ", ".join(f"{tier} {sum(sizes.values()) / 1e6:.1f} MB" for tier, sizes in facts["bytes"].items())
    against = ", ".join(f"{name} ({count})" for name, count in facts["decontaminated_against"].items())
    return f"corpus: {kept}; decontaminated against {against}; {facts['quarantined']} lines quarantined"
