"""Stage `eval-quantized`: every smaller form of the chat model beside the model itself, on the same text, questions and tokens.

A form is the unit of work. Where the overlay says so (`cpu_workers`), GGUF files are asked side by side, in processes of their own, while
this one asks the folders. Speed and memory are taken after that, one form at a time on each device (`eval.decoding`).
"""

import io
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from eval import decoding, decontamination, examination, held_out, kept_rows, same_tokenizer, side_by_side, tool_calls
from eval.evaluate import offline
from eval.examination import Tasks
from eval.held_out import HeldOut
from eval.measure import LanguageModel
from eval.rise import rise
from kishi import manifest, tool_answers
from kishi.bits_per_byte import bits_per_byte, windows
from kishi.errors import ArtefactError
from kishi.jsonl import write_json, write_rows
from kishi.manifest import sha256_of
from recipes.job import Job

REFERENCE = "bf16"
Figures = dict[str, Any]


@dataclass(frozen=True)
class Form:
    """A GGUF file or a Hugging Face folder, and what the stage that made it says of its size; `rounded`: to bfloat16 after reading."""

    path: Path
    bits_per_weight: float
    rounded: bool = False

    @property
    def is_gguf(self) -> bool:
        """Runs in llama.cpp."""
        return self.path.suffix == ".gguf"


def run(job: Job) -> dict[str, Any]:
    """Write `results.json`, which is also the facts, `documents.jsonl` (nats of each held-out document) and `samples/<form>.jsonl`."""
    offline(job.folder, hub=any(task.kind == "lm_eval" and not task.path for task in job.recipe.eval.tasks))
    tokenizer = Tokenizer.from_file(str(job.inputs["tokenizer"] / "tokenizer.json"))
    texts = held_out.load(job.inputs["data"], tokenizer, job.recipe.languages, job.recipe.quantize.heldout_tokens)
    data = decontamination.manifest_of(job.inputs["data"])
    tasks = examination.prepare(job.recipe.eval.tasks, job.recipe.languages, job.folder / ".tasks", data)
    found, key = forms(job), sha256_of(tasks.units())
    asked = partial(_asked, key=key, texts=texts, tasks=tasks)
    answers = each(found, job, asked)
    first = next(iter(texts.values()))  # the language that the recipe names first
    ids = [token for document in first.documents for token in document]
    speeds = _speeds(found, ids, job)
    measured = {name: answers[name] | speeds[name] for name in found}
    for name, row in measured.items():
        tools = [{**one, "task": "tools"} for one in row["tools"]["rows"]]
        if rows := [*(one for task in row["tasks"].values() for one in task["rows"]), *tools]:
            write_rows(job.folder / "samples" / f"{name}.jsonl", rows)
    write_rows(job.folder / "documents.jsonl", ({"model": name, "nats": found["nats"]} for name, found in measured.items()))
    facts = compared(measured, texts)
    write_json(job.folder / "results.json", facts)
    return facts


def forms(job: Job) -> dict[str, Form]:
    """By name, the model itself first."""
    chat = job.chat_model
    found = {REFERENCE: Form(chat, 16.0, rounded=True)}
    types = manifest.read(job.inputs["gguf"]).facts["types"]
    for kind in job.recipe.gguf.types:
        found[f"gguf-{kind}"] = Form(job.inputs["gguf"] / f"model-{kind}.gguf", types[kind]["bits_per_weight"])
    for name in job.recipe.quantize.methods:
        folder = job.inputs[name]
        path = folder / ("model-Q4_0.gguf" if name == "qat" else "model")
        found[name] = Form(path, manifest.read(folder).facts["bits_per_weight"])
    return found


def each(found: dict[str, Form], job: Job, ask: Callable[[str, Form, Job], Figures]) -> dict[str, Figures]:
    """`ask` of each form, by name; GGUF files in other processes where the overlay has workers, so that `ask` must be picklable."""
    files = {name for name, form in found.items() if form.is_gguf}
    workers, shared = side_by_side.shared_out(job.hardware, len(files))
    here = {name: partial(ask, name, form, job) for name, form in found.items() if name not in files}
    elsewhere = {name: partial(ask, name, found[name], replace(job, hardware=shared)) for name in found if name in files}
    answers = side_by_side.run(here, elsewhere, workers, "evaluate quantised")
    return {name: answers[name] for name in found}


def _asked(name: str, form: Form, job: Job, key: str, texts: dict[str, HeldOut], tasks: Tasks) -> Figures:
    return kept_rows.once(job.folder / f".rows/{name}.json", key, partial(_measure, name, form, job, texts, tasks))


def _measure(name: str, form: Form, job: Job, texts: dict[str, HeldOut], tasks: Tasks) -> Figures:
    with redirect_stderr(io.StringIO()), opened(form, job) as (model, size):  # compressed-tensors' bars
        nats = document_losses(name, model, job, texts)
        answers = {label: one for unit in tasks.units() for label, one in tasks.ask(unit, name, model).items()}
        tools = _tool_calls(form, model, job)
    return {"nats": nats, "tasks": answers, "tools": tools, "bytes": size, "bits_per_weight": form.bits_per_weight}


def _tool_calls(form: Form, model: Any, job: Job) -> Figures:
    """Without a grammar, on held-out questions of the `tools` stage; empty where the recipe has no such stage."""
    if "tools" not in job.inputs:
        return {"figures": {}, "rows": []}
    asked = tool_calls.load(job.inputs["tools"] / "data" / "heldout.jsonl", job.recipe.quantize.tool_questions)
    if form.is_gguf:
        table, rows = tool_calls.measure(tool_calls.of_gguf(model.model, False), asked)
    else:
        answers = tool_answers.answers(model.model, model.tokenizer, asked, tool_calls.ANSWER_TOKENS)
        table, rows = tool_calls.judged(zip(asked, answers, strict=True))
    return {"figures": {"right": round(sum(row["right"] for row in rows) / len(rows), 4), **table}, "rows": rows}


def _speeds(found: dict[str, Form], ids: list[int], job: Job) -> dict[str, Figures]:
    """By name, one form at a time on each device."""
    length = job.recipe.pretrain.sequence_length

    def measure(names: list[str]) -> dict[str, Figures]:
        calls = {name: partial(decoding.measure, found[name].path, ids, length, job.hardware) for name in names}
        return {name: kept_rows.once(job.folder / f".rows/{name}.speed.json", "", call) for name, call in calls.items()}

    parts = [[name for name, form in found.items() if form.is_gguf is kind] for kind in (True, False)]
    with ThreadPoolExecutor(2 if job.hardware.device == "gpu" else 1) as pool:
        return {name: figures for part in pool.map(measure, parts) for name, figures in part.items()}


def document_losses(name: str, model: LanguageModel, job: Job, texts: dict[str, HeldOut]) -> dict[str, list[float]]:
    """Nats of each held-out document, per language. Raises ArtefactError when one is not finite."""
    length, found = job.recipe.pretrain.sequence_length, {}
    for language, held in texts.items():
        nats = [model.negative_log_likelihood(windows(ids, held.start, length)) for ids in held.documents]
        if not all(map(math.isfinite, nats)):
            raise ArtefactError("the loss of a held-out document is not finite", where=f"model {name}", fix="make that form again")
        found[language] = [round(value, 4) for value in nats]
    return found


@contextmanager
def opened(form: Form, job: Job) -> Iterator[tuple[LanguageModel, int]]:
    """(the model, its bytes on disk).

    transformers computes in 32 bits here: what is measured is what rounding the weights (for fp8 the activations too) costs. llama.cpp
    computes as it does for everyone.
    """
    open_it = _opened_gguf if form.is_gguf else _opened_hugging_face
    with open_it(form, job) as found:
        yield found


@contextmanager
def _opened_gguf(form: Form, job: Job) -> Iterator[tuple[LanguageModel, int]]:
    from eval import llama_cpp_model

    length = job.recipe.pretrain.sequence_length
    tokenizer = Tokenizer.from_file(str(job.inputs["tokenizer"] / "tokenizer.json"))
    with llama_cpp_model.opened(form.path, length, job.hardware.threads) as model:
        tokenize = same_tokenizer.agreed(tokenizer, partial(llama_cpp_model.token_ids, model), form.path)
        yield llama_cpp_model.GgufModel(model, tokenize, length), form.path.stat().st_size


@contextmanager
def _opened_hugging_face(form: Form, job: Job) -> Iterator[tuple[LanguageModel, int]]:
    import torch
    from transformers import AutoTokenizer

    from eval import hugging_face

    same_tokenizer.check_file(form.path, job.inputs["tokenizer"])
    if job.hardware.threads:
        torch.set_num_threads(job.hardware.threads)
    device, tokenizer = "cuda" if job.hardware.device == "gpu" else "cpu", AutoTokenizer.from_pretrained(form.path)
    with hugging_face.opened(form.path, tokenizer, job.recipe.pretrain.sequence_length, True, device) as model:
        size = sum(path.stat().st_size for path in form.path.glob("*.safetensors"))
        if form.rounded:
            model.model.to(torch.bfloat16).to(torch.float32)
            size = 2 * sum(parameter.numel() for parameter in model.model.parameters())
        yield model, size


def compared(measured: dict[str, Figures], texts: dict[str, HeldOut]) -> dict[str, Any]:
    """The table: one row a form."""
    sizes = {language: sum(len(text.encode()) for text in held.texts) for language, held in texts.items()}
    words = {language: sum(len(text.split()) for text in held.texts) for language, held in texts.items()}
    per_word = {language: held.tokens / words[language] for language, held in texts.items()}
    rows = {}
    for name, found in measured.items():
        speeds = found["tokens_per_second"]
        rows[name] = {
            "bytes": found["bytes"],
            "bits_per_weight": found["bits_per_weight"],
            "bits_per_byte": {la: round(bits_per_byte(sum(nats), sizes[la]), 5) for la, nats in found["nats"].items()},
            "rise_percent": {la: rise(nats, measured[REFERENCE]["nats"][la]) for la, nats in found["nats"].items()},
            "tasks": {label: one["figures"] for label, one in found["tasks"].items()},
            "tools": found["tools"]["figures"],
            "tokens_per_second": speeds,
            "words_per_second": {
                la: {device: round(speed / tokens, 2) for device, speed in speeds.items()} for la, tokens in per_word.items()
            },
            "peak_memory_bytes": found["peak_memory_bytes"],
        }
    return {
        "reference": REFERENCE,
        "models": rows,
        "documents": {language: len(held.texts) for language, held in texts.items()},
        "tokens": {language: held.tokens for language, held in texts.items()},
        "tokens_per_word": {language: round(value, 4) for language, value in per_word.items()},
        "tasks": {label: one["described"] for label, one in measured[REFERENCE]["tasks"].items()},
    }
