"""The final presentation: the whole story in about fourteen slides."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from kishi.jsonl import Row
from kishi.languages import NAMES
from report.charts import bar_chart
from report.collect import Run
from report.cost import carbon, costs, energy, total
from report.deck import Bullets, Figure, Figures, Piece, Slide, charts, not_run, short, slide_of, tables
from report.headline import final_model
from report.licences import licences
from report.limits import limits
from report.lineage import Lineage
from report.sections_models import cut_off, results
from report.view import NONE, Chart, Note, Section, Table, dig, duration, is_number, number, percent, size, table_of

_TOLD = {"summary", "data", "tokenizer", "pretraining", "evaluation", "post-training", "quantised", "answers", "samples", "chat-data"}
_LAST = {"optimisations", "cost", "provenance"}


def final(run: Run, sections: Sequence[Section]) -> list[Slide]:
    """Slides in the order of the way; a section that this file does not know by name (a new stage's) gets a plain one."""
    by_id = defaultdict(lambda: Section("", ""), {section.id: section for section in sections})
    others = [slide_of(section) for section in sections if section.id not in _TOLD | _LAST and section.present]
    told = [
        _title(run),
        _way(by_id["summary"]),
        _funnel(by_id["data"]),
        _text(by_id["data"]),
        _tokenizer(by_id["tokenizer"]),
        _pretraining(by_id["pretraining"]),
        _bits(by_id["evaluation"]),
        _tasks(run),
        _examples(by_id["chat-data"]),
        _chat(by_id["post-training"]),
        _quantised(run, by_id["quantised"]),
        *others,
        _answers(run),
        _speed(by_id["optimisations"]),
        _cost(run, by_id["cost"]),
        _end(run, sections),
    ]
    return [slide for slide in told if slide.present]


def _title(run: Run) -> Slide:
    facts, data = run.facts("pretrain-phase2") or run.facts("pretrain-phase1"), run.facts("index")
    models = table_of(results(run).get("models"))
    last = final_model(run.manifests)
    spent = total(costs(run.manifests.values(), run.overlay))
    figures = [
        Figure(_large(facts.get("parameters")), "parameters"),
        Figure(_large(facts.get("tokens")), "tokens of training"),
        Figure(_large(data.get("vocab_size") or run.facts("tokenizer").get("vocab_size")), "tokens in the vocabulary"),
        Figure(
            number(dig(models, last or "", "bits_per_byte", run.recipe.languages[0])), f"bits per byte, {run.recipe.languages[0]}, {last}"
        ),
        Figure(size(dig(models, last or "", "bytes")), "on disk, quantised"),
        Figure(duration(spent.device_hours * 3600), f"on devices · {energy(spent.kwh)} · {carbon(spent.grams)}"),
    ]
    languages = ", ".join(NAMES[language] for language in run.recipe.languages)
    words = f"A language model for {languages}: raw text in, quantised chat model out."
    return Slide(run.recipe.name, [[Note(words), Figures([figure for figure in figures if figure.value != NONE])]], first=True)


def _large(value: object) -> str:
    if not is_number(value):
        return NONE
    for unit, factor in (("B", 10**9), ("M", 10**6), ("K", 10**3)):
        if value >= factor:
            return f"{value / factor:.3g}{unit}"
    return number(value)


def _way(summary: Section) -> Slide:
    return Slide("The way: every stage, what it made, how long it took", [[short(table, 14, cell=100) for table in tables(summary)[:1]]])


def _funnel(data: Section) -> Slide:
    return Slide("Data: what cleaning left", [[chart] for chart in charts(data)[:2]] or [[Note(data.missing)]])


def _text(data: Section) -> Slide:
    found = {table.caption.partition(":")[0].partition(",")[0]: table for table in tables(data)}
    left: list[Piece] = [short(found[name], 8, (0, 1, 2, 4)) for name in ("Datasheet",) if name in found]
    right: list[Piece] = [short(found[name], 7) for name in ("Documents removed", "Language mix by bytes") if name in found]
    return Slide("Data: what was trained on, and what was removed", [left, right] if left and right else [left or right])


def _tokenizer(tokenizer: Section) -> Slide:
    drawn, listed = charts(tokenizer), tables(tokenizer)
    compared = next((table for table in listed if table.caption.startswith("Tokens per word")), None)
    if drawn and compared:
        return Slide("Tokenizer", [[drawn[0]], [short(compared, 9, range(5))]])
    notes: list[Piece] = [block for block in tokenizer.blocks if isinstance(block, Note)]
    return Slide("Tokenizer", [[*(short(table, 4) for table in listed[:1]), *notes[:1]] or [Note(tokenizer.missing)]])


def _pretraining(pretraining: Section) -> Slide:
    drawn = charts(pretraining)
    return Slide("Pretraining: dirty text, then clean", [[chart] for chart in drawn[:2]] or [[Note(pretraining.missing)]])


def _bits(evaluation: Section) -> Slide:
    drawn, listed = charts(evaluation), tables(evaluation)
    right: list[Piece] = [short(listed[0], 11, range(min(5, len(listed[0].head))))] if listed else [Note(evaluation.missing)]
    return Slide("Evaluation: bits per byte, lower is better", [[drawn[0]], right] if drawn else [right])


def _tasks(run: Run) -> Slide:
    """A row a model, a column a task, and what guessing gives."""
    facts = results(run)
    tasks = list(table_of(facts.get("tasks")))[:6]
    models = {name: row for name, row in table_of(facts.get("models")).items() if dig(row, "tasks")}
    rows = [[name, *(_score(dig(row, "tasks", task)) for task in tasks)] for name, row in list(models.items())[-9:]]
    rows += [[f"baseline: {key}", *(percent(dig(facts, "tasks", task, key)) for task in tasks)] for key in ("random", "majority")]
    table = Table("Accuracy, in brackets the 95 % interval", ["model", *tasks], rows if models else [])
    return Slide("Evaluation: tasks beside guessing", [[table]] if models else [[Note("no task was evaluated: make eval")]])


def _score(score: object) -> str:
    value, interval = dig(score, "acc"), dig(score, "acc_interval")
    if not is_number(value):
        return NONE
    return f"{100 * value:.0f} % [{100 * interval[0]:.0f}, {100 * interval[1]:.0f}]" if interval else percent(value)


def _examples(chat_data: Section) -> Slide:
    drawn, listed = charts(chat_data), tables(chat_data)
    left: list[Piece] = [drawn[0]] if drawn else []
    right: list[Piece] = [short(table, 5, range(min(5, len(table.head))), cell=24) for table in listed[:2]] or [Note(chat_data.missing)]
    return Slide("Chat data: what it was taught with", [left, right] if left else [right])


def _chat(post: Section) -> Slide:
    drawn, listed = charts(post), tables(post)
    left = [drawn[0]] if drawn else []
    right: list[Piece] = [short(listed[0], 9)] if listed else [Note(post.missing)]
    return Slide("Post-training: answers instead of continuations", [left, right] if left else [right])


def _quantised(run: Run, quantised: Section) -> Slide:
    models = {name: row for name, row in table_of(results(run).get("models")).items() if dig(row, "bytes")}
    sizes = bar_chart("Size of the weights", [(name, [row["bytes"] / 1e6]) for name, row in models.items()], ["MB"], "MB")
    left: list[Piece] = [Chart(sizes)] if sizes else []
    listed = tables(quantised)
    right: list[Piece] = [short(listed[0], 8, (0, 1, *range(3, min(6, len(listed[0].head)))))] if listed else [Note(quantised.missing)]
    return Slide("Quantised: the same model in less space", [left, right] if left else [right])


def _answers(run: Run) -> Slide:
    """What the final model says, and the base model before it."""
    written = run.rows("eval", "samples.jsonl")
    models = list(dict.fromkeys(str(row.get("model")) for row in written))
    shown = [name for name in models if name in ("phase2", "sft")][:2] + models[-1:]
    prompts = dict[str, str](run.recipe.eval.prompts.items())
    rows = []
    for language in run.recipe.languages:
        texts = [_answer(written, name, language) for name in shown]
        rows.append([f"{language}: {prompts.get(language, '')}", *texts])
    table = Table("The same prompts, greedy", ["prompt", *shown], rows if shown else [])
    return Slide("In three languages", [[table]] if shown else [[Note("no samples yet: make eval")]])


def _answer(written: Sequence[Row], model: str, language: str) -> str:
    row = next((row for row in written if (row.get("model"), row.get("lang")) == (model, language)), None)
    text = cut_off(row)
    return f"{text[:150]}…" if len(text) > 150 else text


def _speed(optimisations: Section) -> Slide:
    drawn, listed = charts(optimisations), tables(optimisations)
    if not drawn:
        return slide_of(optimisations)
    speed: list[Piece] = [short(table, 8, (0, 1, 2, 3)) for table in listed if table.caption.startswith("Speed of training")]
    return Slide("Speed: before and after", [[drawn[-1]], speed])


def _cost(run: Run, cost: Section) -> Slide:
    drawn = charts(cost)
    spent = total(costs(run.manifests.values(), run.overlay))
    words = [f"{spent.device_hours:.3g} device hours, {energy(spent.kwh)}, {carbon(spent.grams)}"]
    words += [f"price: {number(spent.price, 2)}"] if spent.price is not None else []
    words += [f"assumed: {words}" for words in spent.assumed]
    words.append("not counted: making the machines, attempts that were thrown away")
    return Slide("Cost and carbon", [drawn[:1], [Bullets(words)]] if drawn else [[Note(cost.missing)]])


def _end(run: Run, sections: Sequence[Section]) -> Slide:
    """What it cannot do, what is missing, and how to make it again."""
    lineage = Lineage(Path("."), dict(run.manifests))
    chat = next((found for found in lineage.repositories() if found.kind == "chat"), None)
    told = limits(lineage, chat, licences(lineage, list(run.manifests)))[:5] if chat else []
    missing = not_run(sections) + [section.title for section in sections if not section.present]
    commits = dict.fromkeys(str(made.code.get("commit"))[:12] for made in run.manifests.values())
    words = [*told, *([f"Not there yet: {', '.join(missing)}"] if missing else []), *run.remarks[:3]]
    again = (
        f"Made from {', '.join(commits) or 'nothing yet'}: `make all RECIPE=recipes/{run.recipe.name}.yaml`. Every figure: `make report`."
    )
    return Slide("Limits, and how to make it again", [[Bullets(words), Note(again)]])
