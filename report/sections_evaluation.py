"""The evaluation section: every model on the same text, tasks and chat measures, and what the suite measured beside the chain."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from report.charts import Series, bar_chart, line_chart
from report.collect import Run
from report.view import Chart, Section, Table, dig, is_number, number, percent, size, table_of

BASELINES = ("random", "majority")
MARK = "†"
# figures of the kinds of task that are no choice
OTHER = {
    "reading": ("f1", "exact_match"),
    "translation": ("chrf", "bleu"),
    "maths": ("exact_match",),
    "bits_per_byte": ("bits_per_byte", "lossy_texts"),
    "bits_per_sentence": ("bits_per_sentence", "bits_per_byte", "lossy_texts"),
}
MAIN = ("bits_per_sentence", "bits_per_byte", "chrf", "f1", "exact_match", "acc")  # the first that a task has stands for it


def _tenths(value: Any) -> str:
    return number(value, 1)


# title, measure, figure of it, how it is written
CHAT: tuple[tuple[str, str, str, Callable[[Any], str]], ...] = (
    ("Translation by chat: chrF (0-100, in brackets: 95 % interval)", "translation", "chrf", _tenths),
    ("Translation by chat: BLEU", "translation", "bleu", _tenths),
    ("Summaries: ROUGE-1 on whole words", "summaries", "rouge1", number),
    ("Summaries: ROUGE-1 on the first five letters of words", "summaries", "rouge1_stems", number),
    ("Summaries: chrF", "summaries", "chrf", _tenths),
    ("Verifiable instructions obeyed", "constraints", "obeyed", percent),
    ("Answers that stop by themselves", "stop_rate", "", percent),
    ("Answers in the language that was asked for", "answer_language", "right", percent),
)


def evaluation(run: Run) -> Section:
    """Every model side by side."""
    section, results = Section("evaluation", "Evaluation"), table_of(run.value("eval", "results.json"))
    models = {name: table_of(row) for name, row in table_of(results.get("models")).items()}
    languages = run.recipe.languages
    rows = [
        [
            name,
            *(number(dig(row, "bits_per_byte", la)) for la in languages),
            size(row.get("bytes")),
            number(row.get("tokens_per_second"), 0),
        ]
        for name, row in models.items()
    ]
    section.add(Table("Bits per byte of held-out text (lower is better)", ["model", *languages, "size", "tokens/s"], rows))
    groups = [(name, [_finite(dig(row, "bits_per_byte", la)) for la in languages]) for name, row in models.items()]
    chart = bar_chart("Bits per byte", [group for group in groups if any(v is not None for v in group[1])], languages, "bits per byte")
    section.add(Chart(chart) if chart else None)
    for task in dict.fromkeys(task for row in models.values() for task in table_of(row.get("tasks"))):
        section.add(_task(task, models, results))
    for table in _chat(models, table_of(results.get("chat")), languages):
        section.add(table)
    for block in _suite(run):
        section.add(block)
    return section


def _finite(value: Any) -> float | None:
    return value if is_number(value) else None


def _task(task: str, models: dict[str, dict[str, Any]], results: dict[str, Any]) -> Table:
    described = table_of(dig(results, "tasks", task))
    if described.get("kind") in OTHER:
        return _other_task(task, models, described)
    rows = []
    for name, row in models.items():
        if score := table_of(dig(row, "tasks", task)):
            figures = [
                _with_interval(score, "acc", percent),
                _with_interval(score, "acc_norm", percent),
                _with_interval(score, "macro_f1", number),
            ]
            count = number(score.get("n", described.get("n")))
            rows.append([_marked(name, score), *figures, percent(score.get("most_frequent_guess")), count])
    for baseline in BASELINES:
        value = described.get(baseline)
        f1 = described.get(f"{baseline}_macro_f1")
        known = percent(value) if value is not None else "not recorded"
        rows.append([f"baseline: {baseline}", known, "", number(f1) if f1 is not None else "", "", number(described.get("n"))])
    head = ["model", "accuracy", "accuracy (length-normalised)", "macro-F1", "most frequent guess", "questions"]
    return Table(f"Multiple choice: {task} ({_explained(task, models)})", head, rows)


def _marked(name: str, score: dict[str, Any]) -> str:
    """A model that a constant answer or guessing equals has a mark beside its name."""
    return f"{name} {MARK}" if score.get("beats_constant") is False else name


def _explained(task: str, models: dict[str, dict[str, Any]]) -> str:
    """What the brackets and the mark mean, and whether the task's text had been taken out of what the models read."""
    scores = [table_of(dig(row, "tasks", task)) for row in models.values()]
    states = {str(state) for score in scores if (state := score.get("decontamination"))}
    parts = ["in brackets: 95 % interval"]
    parts += [f"{MARK} no better than a constant answer"] if any(score.get("beats_constant") is False for score in scores) else []
    parts += [f"decontamination: {', '.join(sorted(states))}"] if states else []
    return "; ".join(parts)


def _other_task(task: str, models: dict[str, dict[str, Any]], described: dict[str, Any]) -> Table:
    """Written answers and bits of text: each figure of the kind in a column."""
    names = [name for name in OTHER[str(described["kind"])] if any(dig(row, "tasks", task, name) is not None for row in models.values())]
    rows = [
        [_marked(model, score), *(_with_interval(score, name, number) for name in names), number(score.get("n"))]
        for model, row in models.items()
        if (score := table_of(dig(row, "tasks", task)))
    ]
    for baseline, value in table_of(described.get("baselines")).items():
        found = value if isinstance(value, dict) else {"bits_per_byte": value}
        cells = [number(found[name]) if name in found else "" for name in names]
        rows.append([f"baseline: {baseline}", *cells, number(described.get("n"))])
    return Table(f"{task} ({_explained(task, models)})", ["model", *names, "n"], rows)


def _chat(models: dict[str, dict[str, Any]], described: dict[str, Any], languages: Sequence[str]) -> Iterator[Table]:
    """Before and after chat training, a table a measure: models in rows, directions or languages in columns."""
    measured = {name: table_of(row.get("chat")) for name, row in models.items() if row.get("chat")}
    if not measured:
        return
    for title, measure, figure, write in CHAT:
        groups = list(dict.fromkeys(group for row in measured.values() for group in table_of(row.get(measure)) if "_interval" not in group))
        if not groups:
            continue
        groups.sort(key=lambda group: languages.index(group) if group in languages else -1)
        rows = [
            [name, *(_chat_cell(table_of(row.get(measure)), group, figure, write) for group in groups)] for name, row in measured.items()
        ]
        baselines = table_of(dig(described, "baselines", measure))
        for name in dict.fromkeys(name for group in baselines.values() for name in group):
            if any(dig(baselines, group, name, figure) is not None for group in groups):
                rows.append([f"baseline: {name}", *(write(dig(baselines, group, name, figure)) for group in groups)])
        yield Table(title, ["model", *groups], rows)


def _chat_cell(measure: dict[str, Any], group: str, figure: str, write: Callable[[Any], str]) -> str:
    found = measure.get(group)
    return _with_interval(found, figure, write) if isinstance(found, dict) else _with_interval(measure, group, write)


def _suite(run: Run) -> Iterator[Table | Chart]:
    """What `python -m eval.suite ... --out RUN/suite` measured apart from the chain: models over training as curves, all in tables."""
    results = table_of(run.beside("suite", "results.json"))
    models = {name: table_of(row) for name, row in table_of(results.get("models")).items()}
    for task, described in table_of(results.get("tasks")).items():
        figure = next((name for name in MAIN if any(dig(row, "tasks", task, name) is not None for row in models.values())), None)
        if figure is None:
            continue
        reached = [(step, dig(row, "tasks", task, figure)) for name, row in models.items() if (step := _step(name)) is not None]
        series = Series(figure, sorted((step, value) for step, value in reached if is_number(value)))
        if len(series.points) > 1 and (chart := line_chart(f"Suite: {task} over training", [series], "step", figure)):
            yield Chart(chart)
        scores = {name: score for name, row in models.items() if (score := table_of(dig(row, "tasks", task)))}
        rows = [[_marked(name, score), _with_interval(score, figure, number)] for name, score in scores.items()]
        if "random" in described:
            rows.append(["baseline: guessing or constant", number(max(described["random"], described.get("majority", 0)))])
        yield Table(f"Suite: {task} ({_explained(task, models)})", ["model", figure], rows)


def _step(name: str) -> int | None:
    """Of an exported checkpoint, by its folder's name."""
    match = re.search(r"step(\d+)$", name)
    return int(match.group(1)) if match else None


def _with_interval(score: dict[str, Any], name: str, write: Callable[[Any], str]) -> str:
    interval = score.get(f"{name}_interval")
    text = write(score.get(name))
    return f"{text} [{write(interval[0])}, {write(interval[1])}]" if isinstance(interval, list) and len(interval) == 2 else text
