"""Stage `eval-quantized`: every smaller form of the chat model beside the model itself, on the same text, questions and tokens.

One form is in memory at a time and is the unit of work. Speed and memory are taken in a process of its own for each (`eval.decoding`).
"""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from eval import decoding, held_out, kept_rows, multiple_choice, same_tokenizer
from eval.evaluate import quiet
from eval.held_out import HeldOut
from eval.measure import LanguageModel
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


def _measure(name: str, form: Form, job: Job, texts: dict[str, HeldOut], tasks: list[str]) -> Figures:
    with opened(form, job) as (model, size):
        nats = document_losses(name, model, job, texts)
        questions = multiple_choice.raw_rows(multiple_choice.ask(model.harness(), tasks, job.folder / ".tasks"), name) if tasks else []
    first = next(iter(texts.values()))  # the language that the recipe names first
    ids = [token for document in first.documents for token in document]
    speed = decoding.measure(form.path, ids, job.recipe.pretrain.sequence_length, job.hardware)
    return {"nats": nats, "questions": questions, "bytes": size, "bits_per_weight": form.bits_per_weight, **speed}


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
