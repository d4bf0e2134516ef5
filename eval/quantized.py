"""Stage `eval-quantized`: every smaller form of the chat model beside the model itself, on the same text, questions and tokens.

One form is in memory at a time and is the unit of work. Speed and memory are taken in a process of its own for each (`eval.decoding`).
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from eval import decoding, held_out, kept_rows, multiple_choice, same_tokenizer
from eval.evaluate import quiet
from eval.held_out import HeldOut
from eval.rise import rise
from kishi import manifest
from kishi.bits_per_byte import bits_per_byte, windows
from kishi.errors import ArtefactError
from kishi.jsonl import write_json, write_rows
from kishi.manifest import sha256_of
from kishi.progress import track
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
    """Write `results.json`, which is also the facts, `documents.jsonl` (nats of each held-out document) and `lm_eval/<form>.jsonl`."""
    os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", HF_DATASETS_CACHE=str(job.folder.absolute() / ".datasets"))
    quiet()
    tokenizer = Tokenizer.from_file(str(job.inputs["tokenizer"] / "tokenizer.json"))
    length = job.recipe.pretrain.sequence_length
    texts = held_out.load(job.inputs["data"], tokenizer, job.recipe.languages)
    tasks = multiple_choice.write_tasks(job.recipe.eval.tasks, job.recipe.languages, job.folder / ".tasks", tokenizer, length)
    measured = {
        name: kept_rows.once(
            job.folder / ".rows" / f"{name}.json", sha256_of(tasks), partial(_measure, name, form, job, texts, list(tasks))
        )
        for name, form in track(list(forms(job).items()), "evaluate quantised")
    }
    for name, found in measured.items():
        if found["questions"]:
            write_rows(job.folder / "lm_eval" / f"{name}.jsonl", found["questions"])
    write_rows(job.folder / "documents.jsonl", ({"model": name, "nats": found["nats"]} for name, found in measured.items()))
    facts = compared(measured, texts, tasks)
    write_json(job.folder / "results.json", facts)
    return facts


def forms(job: Job) -> dict[str, Form]:
    """By name, the model itself first."""
    chat = job.inputs[job.recipe.chat_model] / "model"
    found = {REFERENCE: Form(chat, 16.0, rounded=True)}
    types = manifest.read(job.inputs["gguf"]).facts["types"]
    for kind in job.recipe.gguf.types:
        found[f"gguf-{kind}"] = Form(job.inputs["gguf"] / f"model-{kind}.gguf", types[kind]["bits_per_weight"])
    for name in job.recipe.quantize.methods:
        folder = job.inputs[name]
        path = folder / ("model-Q4_0.gguf" if name == "qat" else "model")
        found[name] = Form(path, manifest.read(folder).facts["bits_per_weight"])
    return found


def _measure(name: str, form: Form, job: Job, texts: dict[str, HeldOut], tasks: list[str]) -> Figures:
    measure = _measure_gguf if form.is_gguf else _measure_hugging_face
    length = job.recipe.pretrain.sequence_length

    def ask(model: Any) -> Figures:
        nats = {language: _nats(model.negative_log_likelihood, held, length, name) for language, held in texts.items()}
        questions = multiple_choice.raw_rows(multiple_choice.ask(model.harness(), tasks, job.folder / ".tasks"), name) if tasks else []
        return {"nats": nats, "questions": questions}

    found = measure(form, job, length, ask)
    first = next(iter(texts.values()))  # the language that the recipe names first
    speed = decoding.measure(form.path, [token for ids in first.documents for token in ids], length, job.hardware)
    return {**found, "bits_per_weight": form.bits_per_weight, **speed}


def _nats(score: held_out.Scorer, held: HeldOut, length: int, name: str) -> list[float]:
    """Of each document, so that forms can be compared document by document. Raises ArtefactError when one is not finite."""
    found = [score(windows(ids, held.start, length)) for ids in held.documents]
    if not sum(map(abs, found)) < float("inf"):
        raise ArtefactError("the loss of a held-out document is not finite", where=f"model {name}", fix="make that form again")
    return [round(nats, 4) for nats in found]


def _measure_gguf(form: Form, job: Job, length: int, ask: Callable[[Any], Figures]) -> Figures:
    from eval.llama_cpp_model import GgufModel, opened, token_ids

    tokenizer = Tokenizer.from_file(str(job.inputs["tokenizer"] / "tokenizer.json"))
    with opened(form.path, length, job.hardware.threads) as model:
        found = ask(GgufModel(model, same_tokenizer.agreed(tokenizer, partial(token_ids, model), form.path), length))
    return {**found, "bytes": form.path.stat().st_size}


def _measure_hugging_face(form: Form, job: Job, length: int, ask: Callable[[Any], Figures]) -> Figures:
    """Arithmetic in 32 bits: what is measured is what rounding the weights (and for fp8 the activations) costs."""
    import torch
    from transformers import AutoTokenizer

    from eval.hugging_face import opened

    same_tokenizer.check_file(form.path, job.inputs["tokenizer"])
    if job.hardware.threads:
        torch.set_num_threads(job.hardware.threads)
    device = "cuda" if job.hardware.device == "gpu" else "cpu"
    with opened(form.path, AutoTokenizer.from_pretrained(form.path), length, True, device) as model:
        if form.rounded:
            model.model.to(torch.bfloat16).to(torch.float32)
            size = 2 * sum(parameter.numel() for parameter in model.model.parameters())
        else:
            size = sum(path.stat().st_size for path in form.path.glob("*.safetensors"))
        return {**ask(model), "bytes": size}


def compared(measured: dict[str, Figures], texts: dict[str, HeldOut], tasks: dict[str, Any]) -> dict[str, Any]:
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
            "tasks": multiple_choice.figures(found["questions"]) if found["questions"] else {},
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
        "tokens_per_word": {language: round(value, 4) for language, value in per_word.items()},
        "tasks": tasks,
    }
