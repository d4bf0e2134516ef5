"""What a model cannot do, as far as its own figures say so: sentences for the card and the last slide."""

from typing import Any

from report.licences import Licence
from report.lineage import QUANTISED, Lineage, Repository
from report.view import dig, is_number, number, percent, table_of

CHINCHILLA = 20  # tokens a parameter below which a model of this size is undertrained (arXiv 2203.15556)


def limits(run: Lineage, repository: Repository, rows: list[Licence]) -> list[str]:
    """From the manifests; what holds for every small model of this kind comes last."""
    found = [*_training(run), *_guessing(run), *_chat(run, repository), *_licences(rows)]
    if repository.kind == "tokenizer":
        return [*_licences(rows), "Words of other languages, and of kinds of text that its sample lacked, are cut into more tokens."]
    found += [
        "It was not tuned or tested for safety; it repeats what its training text says, true or not.",
        "Personal data (e-mails, phones, card and identity numbers) was masked in the training text by rules, which miss some.",
        "Other languages than those named were filtered out of the training text.",
    ]
    if repository.kind in QUANTISED:
        found.append("Quantised weights answer a little differently from the full ones: the tables above say how much.")
    return found


def _training(run: Lineage) -> list[str]:
    facts = run.manifests["pretrain-phase2"].facts if "pretrain-phase2" in run.manifests else {}
    tokens, parameters = facts.get("tokens"), facts.get("parameters")
    if not is_number(tokens) or not is_number(parameters) or tokens >= CHINCHILLA * parameters:
        return []
    return [
        f"It saw {tokens / parameters:.2g} tokens a parameter, below the {CHINCHILLA} of arXiv 2203.15556: it knows little, and writes so."
    ]


def _guessing(run: Lineage) -> list[str]:
    """Tasks on which no model of the run is surely better than guessing."""
    facts: dict[str, Any] = run.manifests["eval"].facts if "eval" in run.manifests else {}
    models = [table_of(row.get("tasks")) for name, row in table_of(facts.get("models")).items() if name not in ("unigram", "untrained")]
    at_chance = []
    for task, described in table_of(facts.get("tasks")).items():
        lows = [interval[0] for scores in models if (interval := dig(scores, task, "acc_interval"))]
        if lows and is_number(dig(described, "random")) and max(lows) <= max(described["random"], described.get("majority") or 0):
            at_chance.append(task)
    return [f"Not surely better than guessing (95 % interval) on: {', '.join(at_chance)}."] if at_chance else []


def _chat(run: Lineage, repository: Repository) -> list[str]:
    if repository.kind == "base":
        return ["It continues text; it does not answer questions. The chat model does."]
    stage = run.chat_stage()
    facts = run.manifests[stage].facts if stage else {}
    rate, examples = facts.get("stop_rate"), dig(facts, "examples", "train")
    found = []
    if is_number(rate) and repository.kind != "reward":
        found.append(f"{percent(rate)} of its answers to held-out prompts end by themselves.")
    if is_number(examples):
        found.append(f"The last stage of tuning ({stage}) saw {number(examples)} examples.")
    return found


def _licences(rows: list[Licence]) -> list[str]:
    doubtful = [row.name for row in rows if not row.known]
    forbidden = [row.name for row in rows if row.non_commercial]
    found = [f"Sources whose licence is not clear: {', '.join(doubtful)}."] if doubtful else []
    return found + ([f"Sources that forbid commercial use: {', '.join(forbidden)}."] if forbidden else [])
