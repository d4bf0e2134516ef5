"""The weekly presentation: what changed since a day, against the manifests that were kept of stages made again."""

import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from kishi.manifest import Manifest
from report.collect import Run
from report.deck import Bullets, Figure, Figures, Slide, not_run, short, slide_of, tables
from report.headline import headline
from report.records import records
from report.view import Note, Section, Table, duration, number

SECTION_OF = {
    "data": "data",
    "tokenizer": "tokenizer",
    "pretrain-phase1": "pretraining",
    "pretrain-phase2": "pretraining",
    "chat-data": "chat-data",
    "sft": "post-training",
    "dpo": "post-training",
    "gguf": "quantised",
    "eval": "evaluation",
}


def weekly(run: Run, sections: Sequence[Section], since: datetime, folder: Path) -> list[Slide]:
    """`folder`: the run's, whose `history/` holds older manifests."""
    finished = [stage for stage, made in run.manifests.items() if stage != "report" and _time(made.started) >= since]
    before = earlier(run.manifests, folder / "history", since)
    changed = list(dict.fromkeys(SECTION_OF.get(stage, stage) for stage in finished))
    shown = [slide_of(section) for section in sections if section.id in changed and section.present]
    return [
        _title(run, since, finished),
        Slide("Stages that were finished", [[_stages(sections, finished)]] if finished else [[Note("none")]]),
        _figures(run.manifests, before, since),
        *shown,
        _code(since),
        _open(run, sections),
    ]


def earlier(now: Mapping[str, Manifest], history: Path, since: datetime) -> dict[str, Manifest]:
    """Of each stage its state at the day: what has not been made again since, else the newest kept manifest before it."""
    found = {stage: made for stage, made in now.items() if _time(made.started) < since}
    for path in sorted(history.glob("*.json")):
        try:
            made = Manifest.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            continue
        older = found.get(made.kind)
        if _time(made.started) < since and (older is None or older.started < made.started):
            found[made.kind] = made
    return found


def _time(started: str) -> datetime:
    return datetime.fromisoformat(started)


def _title(run: Run, since: datetime, finished: Sequence[str]) -> Slide:
    new = [record for record in records() if record.date >= since.date().isoformat()]
    figures = [
        Figure(str(len(finished)), "stages finished"),
        Figure(duration(sum(run.manifests[stage].seconds for stage in finished)), "of machine time"),
        Figure(str(len(new)), "benchmark records"),
    ]
    return Slide(f"{run.recipe.name}: since {since.date()}", [[Figures(figures)]], first=True)


def _stages(sections: Sequence[Section], finished: Sequence[str]) -> Table:
    summary = [table for section in sections if section.id == "summary" for table in tables(section)]
    rows = [row for table in summary[:1] for row in table.rows if row[0] in finished]
    return short(Table("", ["stage", "result", "time"], rows), 12, cell=100)


def _figures(now: Mapping[str, Manifest], before: Mapping[str, Manifest], since: datetime) -> Slide:
    """Those that moved, the largest move first."""
    old, new = headline(before), headline(now)
    moved = [name for name in new if name in old and new[name][0] != old[name][0]]
    moved.sort(key=lambda name: -abs(new[name][0] - old[name][0]) / max(abs(old[name][0]), 1e-9))
    rows = [[name, number(old[name][0]), number(new[name][0]), _word(new[name][0] - old[name][0], new[name][1])] for name in moved]
    rows += [[name, "", number(new[name][0]), "new"] for name in new if name not in old]
    table = short(Table(f"Before {since.date()} and now", ["figure", "before", "now", ""], rows), 11)
    return Slide("Figures that changed", [[table]] if rows else [[Note("no figure changed, or no earlier manifest was kept")]])


def _word(difference: float, better: int) -> str:
    return "" if not better else "better" if difference * better > 0 else "worse"


def _code(since: datetime) -> Slide:
    done = subprocess.run(
        ["git", "log", f"--since={since.isoformat()}", "--no-merges", "--format=%s"], capture_output=True, text=True, check=False
    )
    subjects = done.stdout.splitlines()
    if done.returncode:
        return Slide("Code", [[Note("not a git repository here: changes of the code are not known")]])
    more = [f"and {len(subjects) - 10} more"] if len(subjects) > 10 else []
    return Slide(
        f"Code: {len(subjects)} commits",
        [[Bullets([*(subject[:110] for subject in subjects[:10]), *more])]] if subjects else [[Note("none")]],
    )


def _open(run: Run, sections: Sequence[Section]) -> Slide:
    words = [f"not run yet: {stage}" for stage in not_run(sections)] + [
        f"nothing on: {section.title}" for section in sections if not section.present
    ]
    return Slide(
        "Open", [[Bullets([*words, *run.remarks][:10])]] if words or run.remarks else [[Note("every stage has run and is up to date")]]
    )
