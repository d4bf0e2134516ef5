"""The model card of a repository, from manifests alone: the hub's metadata, data and licences, figures, limits and carbon."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from kishi.jsonl import Row
from kishi.languages import NAMES
from report.cost import carbon, costs, energy, total
from report.licences import Licence, licences
from report.limits import limits
from report.lineage import QUANTISED, Lineage, Repository
from report.view import NONE, dig, is_number, number, percent, size, table_of

HERE = Path(__file__).parent
_TITLES = {
    "tokenizer": "the tokenizer",
    "base": "the pretrained base model",
    "chat": "the chat model",
    "reward": "the reward model",
    "gguf": "the chat model, quantised for llama.cpp (GGUF)",
    "awq": "the chat model, quantised with AWQ",
    "gptq": "the chat model, quantised with GPTQ",
    "fp8": "the chat model, with weights of 8 bits (FP8)",
    "autoround": "the chat model, quantised with AutoRound",
}
_NAMES: dict[str, str] = dict(NAMES.items())
_LIBRARY = {"gguf": "llama.cpp", "tokenizer": "tokenizers"}
_TASK = {"reward": "text-classification", "tokenizer": None}


@dataclass
class Card:
    """`missing`: what a complete card needs and the manifests do not have; in words, with what to run."""

    text: str
    missing: list[str] = field(default_factory=list)


def make_card(run: Lineage, repository: Repository, owner: str, licence: str, found: list[Licence] | None = None) -> Card:
    """README.md of one repository below `owner`; `found` stands in for the licences that the manifests alone give."""
    stages = run.upstream(repository.stage)
    rows = licences(run, stages) if found is None else found
    figures = _figures(run, repository)
    missing = _missing(run, repository, rows, licence, figures)
    spent = total(costs(run.manifests[stage] for stage in stages))
    models = _evaluated(run, "models")
    environment = Environment(loader=FileSystemLoader(HERE), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["cell"] = lambda text: str(text).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
    text = environment.get_template("card.md.jinja").render(
        metadata=_metadata(run, repository, owner, licence, rows, figures),
        title=repository.name(run.name),
        what=_TITLES[repository.kind],
        kind=repository.kind,
        grown=next((row.name for row in rows if row.what == "base model"), None),
        repo=f"{owner}/{repository.name(run.name)}",
        made_from=f"{owner}/{_named(run, repository.made_from)}" if repository.made_from else None,
        languages=[_NAMES.get(la, la) for la in _languages(run)],
        facts=_facts(run, stages, repository),
        sources=_sources(run, stages, rows),
        chat=[row for row in rows if row.what not in ("text", "base model")],
        bits=_bits(run, repository, models),
        accuracy=accuracy,
        number=number,
        percent=percent,
        figures=figures,
        measured=_measured(run, repository),
        limits=limits(run, repository, rows),
        spent={"hours": f"{spent.device_hours:.3g}", "energy": energy(spent.kwh), "carbon": carbon(spent.grams), "assumed": spent.assumed},
        stages=[(name, run.manifests[name]) for name in stages],
        files=[(repository.path_in_repo(output), size(output.bytes), output.sha256) for output in repository.files],
        example=next((repository.path_in_repo(o) for o in repository.files if "Q4_K_M" in o.path), next(iter(_paths(repository)), "")),
        prompts=table_of(dig(_part(run, "eval"), "prompts")),
    )
    return Card(text, missing)


def _paths(repository: Repository) -> list[str]:
    return [repository.path_in_repo(output) for output in repository.files]


def _named(run: Lineage, kind: str) -> str:
    return next((other.name(run.name) for other in run.repositories() if other.kind == kind), f"{run.name}-{kind}")


def _part(run: Lineage, section: str) -> dict[str, Any]:
    """A section of the recipe as any stage's manifest has it."""
    return next((table_of(found.recipe[section]) for found in run.manifests.values() if section in found.recipe), {})


def _languages(run: Lineage) -> list[str]:
    return list(table_of(_part(run, "data").get("mix"))) or list(NAMES)


def _evaluated(run: Lineage, key: str) -> dict[str, Any]:
    """`models` or `tasks` of the evaluation, and of that of the quantised models where it is a stage of its own."""
    found: dict[str, Any] = {}
    for stage in ("eval-quantized", "eval"):
        found |= table_of(run.manifests[stage].facts.get(key)) if stage in run.manifests else {}
    return found


def models_of(run: Lineage, repository: Repository) -> dict[str, Any]:
    """The evaluation's rows that are this repository's files."""
    names = {"base": "phase2", "chat": repository.stage}.get(repository.kind, repository.kind)
    found = _evaluated(run, "models")
    return {name: table_of(row) for name, row in found.items() if name == names or name.startswith(f"{names}-")}


def _figures(run: Lineage, repository: Repository) -> list[Row]:
    """One row a model and task: accuracy with its interval, and what guessing gives."""
    described = _evaluated(run, "tasks")
    return [
        {"model": model, "task": task, **table_of(described.get(task)), **table_of(score)}
        for model, row in models_of(run, repository).items()
        for task, score in table_of(row.get("tasks")).items()
    ]


def _metadata(run: Lineage, repository: Repository, owner: str, licence: str, rows: list[Licence], figures: list[Row]) -> str:
    base = (
        [f"{owner}/{_named(run, repository.made_from)}"] if repository.made_from else [row.hub for row in rows if row.what == "base model"]
    )
    results = _bit_results(run, repository) + [result for row in figures for result in _results(row)]
    data = ModelCardData(
        language=_languages(run),
        license=licence.lower(),
        library_name=_LIBRARY.get(repository.kind, "transformers"),
        pipeline_tag=_TASK.get(repository.kind, "text-generation"),
        base_model=[name for name in base if name] or None,
        datasets=list(dict.fromkeys(row.hub for row in rows if row.hub and row.what != "base model")) or None,
        tags=["kazakh", "small-language-model", *({"gguf": ["gguf"], "chat": ["conversational"]}.get(repository.kind, []))],
        model_name=repository.name(run.name) if results else None,
        eval_results=results or None,
    )
    if repository.kind in QUANTISED:
        data["base_model_relation"] = "quantized"
    return str(data.to_yaml())


def _results(row: Row) -> list[EvalResult]:
    """What the hub shows of one task."""
    made = {"task_type": "multiple-choice", "dataset_type": row["task"], "dataset_name": row["task"], "dataset_config": row["model"]}
    names = (("acc", "accuracy"), ("acc_norm", "length-normalised accuracy"), ("macro_f1", "macro-F1"))
    return [EvalResult(**made, metric_type=key, metric_name=name, metric_value=row[key]) for key, name in names if is_number(row.get(key))]


def _bit_results(run: Lineage, repository: Repository) -> list[EvalResult]:
    """Bits per byte of each model and language, as the hub shows them."""
    return [
        EvalResult(
            task_type="text-generation",
            dataset_type="heldout",
            dataset_name="held-out text",
            dataset_config=f"{name} {language}",
            metric_type="bits_per_byte",
            metric_value=value,
        )
        for name, row in models_of(run, repository).items()
        for language, value in table_of(row.get("bits_per_byte")).items()
        if is_number(value)
    ]


def _facts(run: Lineage, stages: list[str], repository: Repository) -> list[tuple[str, str]]:
    """The table on top."""
    model, pretrain = _part(run, "model"), _part(run, "pretrain")
    phase = run.manifests["pretrain-phase2"].facts if "pretrain-phase2" in stages else {}
    tokenizer = run.manifests["tokenizer"].facts if "tokenizer" in stages else {}
    rows: list[tuple[str, Any]] = [
        ("Parameters", phase.get("parameters")),
        ("Trained on", f"{number(phase.get('tokens'))} tokens in two phases" if phase.get("tokens") else None),
        ("Architecture", f"Qwen3: {_words(model)}" if model and phase else None),
        ("Context", f"{number(pretrain.get('sequence_length'))} tokens" if pretrain and phase else None),
        ("Vocabulary", f"{number(tokenizer.get('vocab_size'))} tokens, byte-level BPE"),
        ("Size", size(sum(output.bytes for output in repository.files))),
        ("Code", f"commit {run.manifests[repository.stage].code.get('commit')}"),
    ]
    return [(name, number(value)) for name, value in rows if value is not None]


def _words(section: Mapping[str, Any]) -> str:
    keys = ("layers", "hidden_size", "ffn_hidden_size", "attention_heads", "kv_heads")
    return ", ".join(f"{key.replace('_', ' ')} {number(section[key])}" for key in keys if key in section)


def _sources(run: Lineage, stages: list[str], rows: list[Licence]) -> list[tuple[str, str, str, str, str]]:
    """Source, licence, languages, documents, tokens of the training text."""
    counted: list[Row] = run.manifests["index"].facts.get("sources") or [] if "index" in stages else []
    found = []
    for row in rows:
        if row.what != "text":
            continue
        own = [part for part in counted if part.get("source") == row.name]
        languages = ", ".join(dict.fromkeys(f"{part['tier']} {part['lang']}" for part in own)) or NONE
        sums = [number(sum(part[key] for part in own)) if own else NONE for key in ("documents", "tokens")]
        name = f"[{row.name}](https://huggingface.co/datasets/{row.hub})" if row.hub else row.name
        found.append((name, row.licence or "not recorded", languages, *sums))
    return found  # type: ignore[return-value]


def _bits(run: Lineage, repository: Repository, models: Mapping[str, Any]) -> list[list[str]]:
    """Bits per byte of this repository's models beside the model without context and the untrained one."""
    own = models_of(run, repository)
    shown = {name: models[name] for name in ("unigram", "untrained") if name in models and own} | own
    return [[name, *(number(dig(row, "bits_per_byte", la)) for la in _languages(run))] for name, row in shown.items()]


def _measured(run: Lineage, repository: Repository) -> list[tuple[str, str]]:
    """What the stage itself measured, its nested figures under dotted names."""
    flat: list[tuple[str, Any]] = []

    def walk(name: str, value: Any, depth: int) -> None:
        if isinstance(value, dict) and depth < 4:
            for key, inner in value.items():
                walk(f"{name}.{key}" if name else str(key), inner, depth + 1)
        elif is_number(value):
            flat.append((name, value))

    facts = run.manifests[repository.stage].facts
    keys = {"base": ("phase2",), "tokenizer": ("fertility",), "chat": ("examples", "heldout", "heldout_loss", "stop_rate")}
    chosen = keys.get(repository.kind, tuple(facts))
    walk("", {key: facts[key] for key in chosen if key in facts}, 0)
    return [(name, number(value)) for name, value in flat]


def _missing(run: Lineage, repository: Repository, rows: list[Licence], licence: str, figures: list[Row]) -> list[str]:
    gaps = []
    if not licence.strip():
        gaps.append("licence of the model itself: --license")
    if not any(row.what == "text" for row in rows):
        gaps.append("sources of the training text: the data stage's manifest names none")
    if repository.kind == "tokenizer":
        if not run.manifests["tokenizer"].facts.get("fertility"):
            gaps.append("figures on held-out text: make tokenizer")
    elif repository.kind == "reward":
        if not _measured(run, repository):
            gaps.append("figures on held-out pairs: make reward")
    elif not any(dig(row, "bits_per_byte") for row in models_of(run, repository).values()):
        measure = "eval" if repository.kind not in QUANTISED or repository.kind == "gguf" else "eval-quantized"
        gaps.append(f"metrics of this model (bits per byte, tasks): make {measure}")
    elif not figures:
        gaps.append("results of a task: name one in eval.tasks, then make eval")
    if not run.manifests[repository.stage].code.get("commit"):
        gaps.append("the commit that made it: the stage ran outside of a git repository")
    return gaps


def accuracy(row: Row) -> str:
    """For the card's table: share with its 95 % interval."""
    interval = row.get("acc_interval")
    return f"{percent(row.get('acc'))}{f' [{percent(interval[0])}, {percent(interval[1])}]' if interval else ''}"
