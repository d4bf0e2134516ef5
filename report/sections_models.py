"""Sections about finished models: evaluation, post-training, quantised files, answers."""

from collections.abc import Iterator
from typing import Any

from report.charts import bar_chart
from report.collect import Run
from report.view import Chart, Note, Sample, Samples, Section, Table, dig, is_number, number, percent, size, table_of

BASELINES = ("random", "majority")


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
    return section


def _finite(value: Any) -> float | None:
    return value if is_number(value) else None


def _task(task: str, models: dict[str, dict[str, Any]], results: dict[str, Any]) -> Table:
    scores = {name: table_of(dig(row, "tasks", task)) for name, row in models.items()}
    rows, questions = [], dig(results, "tasks", task, "n")
    for name, score in scores.items():
        if score:
            rows.append(
                [
                    name,
                    percent(score.get("acc")),
                    percent(score.get("acc_norm")),
                    number(score.get("macro_f1")),
                    number(score.get("n", questions)),
                ]
            )
    for baseline in BASELINES:
        places = [
            dig(results, "tasks", task, baseline),
            dig(results, "baselines", task, baseline),
            *(score.get(baseline) for score in scores.values()),
        ]
        known = next((place for place in places if place is not None), None)
        value = known.get("acc") if isinstance(known, dict) else known
        rows.append([f"baseline: {baseline}", percent(value) if known is not None else "not recorded", "", "", number(questions)])
    return Table(f"Multiple choice: {task}", ["model", "accuracy", "accuracy (length-normalised)", "macro-F1", "questions"], rows)


def post_training(run: Run) -> Section:
    """Held-out measures of SFT and DPO."""
    section, sft, dpo = Section("post-training", "Post-training"), run.facts("sft"), run.facts("dpo")
    if not sft and not dpo:
        return section
    rows = [
        ["SFT: held-out loss before → after", _before_after(sft.get("heldout_loss"))],
        ["SFT: answers that stop by themselves", _cell(run, "sft", percent(sft.get("stop_rate")))],
        ["SFT: examples", _examples(sft)],
        ["DPO: preference accuracy on held-out pairs", _cell(run, "dpo", percent(dig(dpo, "heldout", "accuracy")))],
        ["DPO: margin", _cell(run, "dpo", number(dig(dpo, "heldout", "margin")))],
        ["DPO: held-out loss", _cell(run, "dpo", number(dig(dpo, "heldout", "loss")))],
        ["DPO: answers that stop by themselves", _cell(run, "dpo", percent(dpo.get("stop_rate")))],
        ["DPO: examples", _examples(dpo)],
    ]
    section.add(Table("Measured on examples kept from training", ["", ""], rows))
    return section


def _cell(run: Run, stage: str, text: str) -> str:
    return text if stage in run.manifests else "not run"


def _before_after(value: Any) -> str:
    return f"{number(value.get('before'))} → {number(value.get('after'))}" if isinstance(value, dict) else number(value)


def _examples(facts: dict[str, Any]) -> str:
    counts = table_of(facts.get("examples"))
    return ", ".join(f"{name} {number(count)}" for name, count in counts.items()) or "not run"


def quantised(run: Run) -> Section:
    """Size, quality and speed of each GGUF file."""
    section, facts, languages = Section("quantised", "Quantised files"), run.facts("gguf"), run.recipe.languages
    rows = []
    if reference := table_of(facts.get("reference_perplexity")):
        rows.append(["Hugging Face, fp32", "", "", *(number(reference.get(la), 2) for la in languages), ""])
    for kind, row in table_of(facts.get("types")).items():
        perplexity = [number(dig(row, "perplexity", la), 2) for la in languages]
        speed = number(dig(row, "tokens_per_second"), 0)
        rows.append([f"GGUF {kind}", size(dig(row, "bytes")), number(dig(row, "bits_per_weight"), 2), *perplexity, speed])
    head = ["file", "size", "bits/weight", *(f"perplexity {la}" for la in languages), "tokens/s"]
    section.add(Table("The same chat model at different precision (perplexity per token, lower is better)", head, rows))
    if compared := facts.get("token_ids_compared"):
        section.add(Note(f"Hugging Face and llama.cpp cut the test texts into the same {number(compared)} tokens."))
    return section


def answers(run: Run) -> Section:
    """The same question in each language to every finished model."""
    section = Section("answers", "Final answers")
    prompts = _prompts(run)
    found = [*_stage_answers(run), *_eval_answers(run.value("eval", "samples.json", required=False), prompts)]
    languages = dict.fromkeys([*run.recipe.languages, *(sample.lang for sample in found)])
    for language in languages:
        items = list(dict.fromkeys(sample for sample in found if sample.lang == language))
        section.add(Samples(f"{language}: {prompts.get(language, '')}", items))
    return section


def _prompts(run: Run) -> dict[str, str]:
    return dict[str, str](run.recipe.eval.prompts.items())


def _stage_answers(run: Run) -> Iterator[Sample]:
    for stage in ("sft", "dpo"):
        for row in run.rows(stage, "samples.jsonl"):
            stopped = "" if row.get("stopped", True) else " (cut off)"
            yield Sample(f"{stage}{stopped}", str(row.get("lang", "")), str(row.get("prompt", "")), str(row.get("text", "")))
    for kind, facts in table_of(run.facts("gguf").get("types")).items():
        for language, text in table_of(dig(facts, "samples")).items():
            yield Sample(f"gguf-{kind}", language, _prompts(run).get(language, ""), str(text))


def _eval_answers(value: Any, prompts: dict[str, str], model: str = "", lang: str = "") -> Iterator[Sample]:
    """Rows of {model, lang, prompt, text}, or the same nested as model -> language -> text."""
    if isinstance(value, list):
        for row in value:
            yield from _eval_answers(row, prompts, model, lang)
    elif isinstance(value, str):
        yield Sample(f"eval: {model}", lang, prompts.get(lang, ""), value)
    elif isinstance(value, dict) and "text" in value:
        language = str(value.get("lang", lang))
        yield Sample(
            f"eval: {value.get('model', model)}", language, str(value.get("prompt", prompts.get(language, ""))), str(value["text"])
        )
    elif isinstance(value, dict):
        for key, inner in value.items():
            is_language = key in prompts
            yield from _eval_answers(inner, prompts, model if is_language or key == "models" else key, key if is_language else lang)
