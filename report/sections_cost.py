"""Sections about what the run took, and about what each optimisation brought."""

from report.charts import bar_chart
from report.collect import Run
from report.cost import Cost, carbon, costs, energy, total
from report.records import RECORDS, Speed, records, speeds
from report.view import NONE, Chart, Note, Section, Table, number, percent


def cost(run: Run) -> Section:
    """Device hours, energy, carbon, money."""
    section = Section("cost", "Cost and carbon")
    rows = costs(run.manifests.values(), run.overlay)
    if not rows:
        return section
    sum_of = total(rows)
    head = ["stage", "device hours", "energy", "carbon", "price"]
    section.add(Table("What each stage took", head, [_row(row) for row in (*rows, sum_of)]))
    chart = bar_chart("Device hours", [(row.stage, [row.device_hours]) for row in rows], ["hours"], "device hours")
    section.add(Chart(chart) if chart else None)
    if sum_of.assumed:
        keys = "device_watts and grid_gco2_kwh in the overlay, or --set hw.device_watts=..."
        section.add(Note(f"Assumed: {'; '.join(sum_of.assumed)}. Give your own: {keys}."))
    section.add(
        Note(
            "A stage that was killed counts its last attempt, pretraining the steps of all attempts. "
            "Not counted: making the machines, and attempts that were thrown away."
        )
    )
    return section


def _row(row: Cost) -> list[str]:
    return [
        row.stage,
        f"{row.device_hours:.3g}",
        energy(row.kwh),
        carbon(row.grams),
        number(row.price, 2) if row.price is not None else NONE,
    ]


def optimisations(run: Run) -> Section:
    """Training speed before and after, and every record that the repository holds."""
    section = Section(
        "optimisations", "Optimisations", missing=f"no {RECORDS} beside this run: figures of other machines are not known here"
    )
    found = speeds()
    for folder in dict.fromkeys(speed.folder for speed in found):
        own = [speed for speed in found if speed.folder == folder]
        chart = bar_chart(
            "Speed of training on one device",
            [(label(s), [s.tokens_per_second / s.processes / 1000]) for s in own],
            [folder],
            "thousand tokens/s",
        )
        section.add(Chart(chart) if chart else None)
    rows = [
        [label(s), number(s.tokens_per_second, 0), str(s.processes), percent(s.mfu) if s.mfu is not None else NONE, s.folder] for s in found
    ]
    section.add(
        Table(
            "Speed of training (before: an earlier state of the code; peer: others' code)",
            ["variant", "tokens/s", "devices", "of the peak", "record"],
            rows,
        )
    )
    listed = [[r.folder, r.name, r.device, r.commit, r.unreadable or r.command] for r in records()]
    section.add(Table("Benchmark records of this repository", ["record", "what", "device", "commit", "command"], listed))
    return section


def label(speed: Speed) -> str:
    """`before: 350m`; a result's variants by their name alone."""
    return speed.variant if speed.file in ("result", speed.variant.partition("-")[0]) else f"{speed.file}: {speed.variant}"
