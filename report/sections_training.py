"""Sections about data and pretraining."""

from collections.abc import Sequence
from typing import Any

from kishi.jsonl import Row
from report.charts import Series, flow_chart, line_chart, points
from report.collect import Run
from report.view import Chart, Note, Sample, Samples, Section, Table, dig, is_number, number, percent, size, table_of

PHASES = ("pretrain-phase1", "pretrain-phase2")
SAMPLE_STEPS = 4  # of each phase at most, so that a long run does not make a long page


def data(run: Run) -> Section:
    """The funnel of each tier, reasons of removal, cleaning score, mix."""
    section, facts, languages = Section("data", "Data"), run.facts("data"), run.recipe.languages
    for tier, steps in table_of(facts.get("funnel")).items():
        chart = flow_chart(f"Documents of the {tier} tier, step by step", [step for step in steps if isinstance(step, dict)], languages)
        section.add(Chart(chart) if chart else None)
    for tier, steps in table_of(facts.get("funnel")).items():
        rows = [
            [str(step.get("step")), *(f"{number(dig(step, 'documents', la))} · {size(dig(step, 'bytes', la))}" for la in languages)]
            for step in steps
            if isinstance(step, dict)
        ]
        section.add(Table(f"What each step left of the {tier} tier (documents · UTF-8 bytes)", ["after", *languages], rows))
    removed = table_of(facts.get("removed"))
    reasons = sorted({reason for counts in removed.values() for reason in table_of(counts)})
    rows = [[reason, *(number(dig(counts, reason) or 0) for counts in removed.values())] for reason in reasons]
    section.add(Table("Documents removed, by reason", ["reason", *removed], rows))
    for tier, by_language in table_of(facts.get("removed_by_language")).items():
        section.add(_removed(tier, table_of(by_language)))
    section.add(_sources(run))
    section.add(_cleaning(facts))
    mix = table_of(facts.get("mix"))
    section.add(Table("Language mix by bytes", ["", *languages], [[n, *(percent(dig(s, la)) for la in languages)] for n, s in mix.items()]))
    if facts:
        section.add(Note(f"Lines put aside as unreadable: {number(facts.get('quarantined'))}. Held out: {_counts(facts)}."))
    return section


def _removed(tier: str, by_language: dict[str, Any]) -> Table:
    reasons = dict.fromkeys(reason for counts in by_language.values() for reason in table_of(counts))
    rows = [[reason, *(number(dig(counts, reason) or 0) for counts in by_language.values())] for reason in reasons]
    return Table(f"Documents removed from the {tier} tier, by language", ["reason", *by_language], rows)


def _sources(run: Run) -> Table:
    """The datasheet in short: what was trained on, from where, under which licence, and how often it was seen."""
    licences = table_of(run.facts("data").get("licenses"))
    facts = run.facts("index")
    epochs = {(row.get("phase"), row.get("source")): row.get("epochs") for row in facts.get("epochs") or () if isinstance(row, dict)}
    rows = []
    for row in facts.get("sources") or ():
        source, tier = dig(row, "source"), dig(row, "tier")
        phase = next((n for n, made in enumerate(run.recipe.pretrain.phases, 1) if made.tier == tier), None)
        counts = [number(dig(row, key)) for key in ("documents", "tokens")]
        seen = number(epochs.get((phase, source)), 2)
        rows.append(
            [
                str(source),
                str(licences.get(str(source), "not recorded")),
                f"{tier} {dig(row, 'lang')}",
                *counts,
                size(dig(row, "bytes")),
                seen,
            ]
        )
    return Table("Datasheet: what was trained on", ["source", "licence", "tier", "documents", "tokens", "text", "epochs"], rows)


def _counts(facts: dict[str, Any]) -> str:
    held = table_of(facts.get("heldout_documents"))
    return ", ".join(f"{language} {number(count)}" for language, count in held.items()) + " documents" if held else "unknown"


def _cleaning(facts: dict[str, Any]) -> Table | None:
    score = table_of(facts.get("cleaning_score"))
    keys = ("documents", "removed", "repaired", "left")
    rows = [[name.replace("_", " "), *(number(dig(row, key)) for key in keys)] for name, row in table_of(score.get("faults")).items()]
    if not rows:
        return None
    if undamaged := table_of(score.get("undamaged")):
        wrongly = undamaged.get("wrongly_removed")
        rows.append(["none (undamaged)", number(undamaged.get("documents")), f"{number(wrongly)} wrongly", "", ""])
    return Table("Cleaning score: faults put into the dirty tier on purpose, and what became of them", ["fault", *keys], rows)


def _metrics(run: Run) -> dict[str, list[Row]]:
    return {stage: [row for row in run.rows(stage, "metrics.jsonl") if is_number(row.get("step"))] for stage in PHASES}


def pretraining(run: Run) -> Section:
    """Loss, bits per byte and learning rate over both phases."""
    section, metrics = Section("pretraining", "Pretraining"), _metrics(run)
    rows = [row for stage in PHASES for row in metrics[stage]]
    border = (float(run.recipe.pretrain.phases[0].steps), "phase 2") if metrics[PHASES[1]] else None
    lines = [Series(stage.removeprefix("pretrain-"), points(metrics[stage], "loss")) for stage in PHASES]
    clean, dirty = (
        [Series(language, points(rows, key, language)) for language in run.recipe.languages]
        for key in ("bits_per_byte", "bits_per_byte_dirty")
    )
    charts = (
        line_chart("Training loss", lines, "step", "nats per token", border),
        line_chart("Bits per byte of held-out clean text", clean, "step", "bits per byte", border),
        line_chart("Bits per byte of held-out dirty text", dirty, "step", "bits per byte", border),
        line_chart("Multiple choice while training", _choices(rows), "step", "accuracy", border),
        line_chart("Learning rate", [Series("learning rate", points(rows, "learning_rate"))], "step", "learning rate", border),
    )
    for chart in charts:
        section.add(Chart(chart) if chart else None)
    section.add(_phases(run))
    for stage in PHASES:
        if stage not in run.manifests:
            section.add(Note(f"{stage}: not run"))
    if any(len(metrics[stage]) > 300 for stage in PHASES):
        section.add(Note("Long curves are drawn as means of neighbouring steps; metrics.jsonl holds every logged step."))
    return section


def _choices(rows: Sequence[Row]) -> list[Series]:
    """Accuracy of each set of questions, and what guessing reaches on it: one line for all sets of as many choices."""
    names = list(dict.fromkeys(name for row in rows for name in table_of(row.get("multiple_choice"))))
    one_set = len({name.rpartition("_")[0] for name in names}) == 1
    lines = [Series(name.rpartition("_")[2] if one_set else name, points(rows, "multiple_choice", name, "acc")) for name in names]
    guessed = [points(rows, "multiple_choice", name, "random") for name in names]
    random = {tuple(line): Series("random", line) for line in guessed if line}
    return [*lines, *random.values()]


def _phases(run: Run) -> Table:
    rows = []
    for stage in PHASES:
        facts = run.facts(stage)
        if not facts:
            continue
        bits = [
            f"{number(dig(facts, 'bits_per_byte', 'first', la))} → {number(dig(facts, 'bits_per_byte', 'last', la))}"
            for la in run.recipe.languages
        ]
        loss = f"{number(dig(facts, 'loss', 'first'))} → {number(dig(facts, 'loss', 'last'))}"
        skipped = number(len(table_of(facts.get("skipped_steps"))))
        rows.append([stage, *(number(facts.get(key)) for key in ("steps", "tokens", "tokens_per_second")), skipped, loss, *bits])
    head = [
        "stage",
        "up to step",
        "up to token",
        "tokens/s",
        "skipped steps",
        "loss",
        *(f"bits/byte {language}" for language in run.recipe.languages),
    ]
    return Table("First and last of each phase", head, rows)


def samples(run: Run) -> Section:
    """What the model wrote while it learnt: first, last and some steps between."""
    section = Section("samples", "Samples over training")
    for stage in PHASES:
        rows = run.rows(stage, "samples.jsonl")
        steps = sorted({row["step"] for row in rows if is_number(row.get("step"))})
        last = len(steps) - 1
        shown = {steps[round(i * last / (SAMPLE_STEPS - 1))] for i in range(SAMPLE_STEPS)} if steps else set()
        for step in sorted(shown):
            items = [_sample(row) for row in rows if row.get("step") == step]
            section.add(Samples(f"{stage.removeprefix('pretrain-')}, step {step:,}", items))
    return section


def _sample(row: Row, label: str = "") -> Sample:
    prompt, text = str(row.get("prompt", "")), str(row.get("text", ""))
    return Sample(label, str(row.get("lang", "")), prompt, text.removeprefix(prompt))
