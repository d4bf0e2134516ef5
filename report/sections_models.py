"""Sections about finished models: evaluation, quantised files, answers."""

from collections.abc import Iterator
from typing import Any

from kishi.jsonl import Row
from report import sections_quantised
from report.collect import Run
from report.view import NONE, Note, Sample, Samples, Section, Table, dig, number, size, table_of


def results(run: Run) -> dict[str, Any]:
    """What the evaluation measured: models and tasks; empty before it has run."""
    return table_of(run.value("eval", "results.json"))


def quantised(run: Run) -> Section:
    """Size, quality and speed of each smaller form."""
    section, facts, languages = Section("quantised", "Quantised files"), run.facts("gguf"), run.recipe.languages
    for block in sections_quantised.compared(run.value("eval-quantized", "results.json"), languages):
        section.add(block)
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
    """What every model writes to the same prompts, side by side; before eval has run, what the chat stages and gguf noted themselves."""
    section, prompts = Section("answers", "Final answers"), _prompts(run)
    if written := run.rows("eval", "samples.jsonl"):
        section.add(_side_by_side(written, prompts))
        return section
    found = list(_stage_answers(run))
    languages = dict.fromkeys([*run.recipe.languages, *(sample.lang for sample in found)])
    for language in languages:
        items = list(dict.fromkeys(sample for sample in found if sample.lang == language))
        section.add(Samples(f"{language}: {prompts.get(language, '')}", items))
    return section


def _side_by_side(written: list[Row], prompts: dict[str, str]) -> Table:
    """A row a model, a column a language."""
    languages = list(dict.fromkeys(str(row.get("lang")) for row in written))
    cells = {(row.get("model"), row.get("lang")): row for row in written}
    rows = [["prompt", "", *(prompts.get(language, "") for language in languages)]]
    for model, mode in dict.fromkeys((str(row.get("model")), str(row.get("mode", ""))) for row in written):
        rows.append([model, mode, *(cut_off(cells.get((model, language))) for language in languages)])
    caption = "Greedy texts of every model, in the order of training (… : cut off, did not stop by itself)"
    return Table(caption, ["model", "mode", *languages], rows)


def cut_off(row: Row | None) -> str:
    """What a model wrote, and whether it stopped by itself."""
    if row is None:
        return NONE
    return f"{row.get('text', '')}{'' if row.get('stopped', True) else ' …'}".strip() or "(empty: ended at once)"


def _prompts(run: Run) -> dict[str, str]:
    return dict[str, str](run.recipe.eval.prompts.items())


def _stage_answers(run: Run) -> Iterator[Sample]:
    for stage in ("sft", "dpo", "grpo"):
        for row in run.rows(stage, "samples.jsonl"):
            stopped = "" if row.get("stopped", True) else " (cut off)"
            yield Sample(f"{stage}{stopped}", str(row.get("lang", "")), str(row.get("prompt", "")), str(row.get("text", "")))
    for kind, facts in table_of(run.facts("gguf").get("types")).items():
        for language, text in table_of(dig(facts, "samples")).items():
            yield Sample(f"gguf-{kind}", language, _prompts(run).get(language, ""), str(text))
