"""The eval stage: a unigram baseline, an untrained model, both phases, SFT, DPO, every GGUF file and the recipe's peers side by side.

One model is in memory at a time; a model and one task are the unit of work: what is measured is not measured again after a kill.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from eval import any_model, chat, decontamination, examination, held_out, kept_rows, measure, same_tokenizer, tool_calls
from eval.measure import Examination, Part
from kishi.jsonl import write_json, write_rows
from kishi.progress import track
from recipes.job import CHAT_MODELS, Job
from recipes.schema_eval import Peer

# chat models of a run in the order of training: stage -> the folder of its model


@dataclass(frozen=True)
class Candidate:
    """A model of the table. `ours`: has the run's tokenizer and data; `asked`: answers the chat measures; `size`: bytes of its weights."""

    opener: Callable[[], AbstractContextManager[Any]]
    size: int | None = None
    ours: bool = True
    asked: bool = False
    own_parts: dict[str, Part] = field(default_factory=dict)  # measured on this model alone


TOOL_QUESTIONS = 120  # of the tools stage's held-out ones, for each GGUF file, with and without a grammar


def run(job: Job) -> dict[str, Any]:
    """Write `results.json`, which is also the facts, and the raw rows behind it (docs/evaluation.md)."""
    offline(job.folder, hub=any(task.kind == "lm_eval" and not task.path for task in job.recipe.eval.tasks) or bool(job.recipe.eval.peers))
    tokenizer = Tokenizer.from_file(str(job.inputs["tokenizer"] / "tokenizer.json"))
    test = _examination(job, tokenizer)
    measured = {"unigram": {"bits": kept_rows.once(job.folder / ".rows/unigram/bits.json", "", partial(_unigram, job, tokenizer, test))}}
    candidates = _candidates(job, tokenizer, test)
    for name, candidate in track(list(candidates.items()), "evaluate"):
        measured[name] = _measured(job.folder / ".rows" / name, name, candidate, test)
    return _written(job.folder, measured, test)


def offline(folder: Path, hub: bool) -> None:
    """Data sets' cache in the stage's own folder, no network where nothing is to be had from it, and one progress line."""
    os.environ["HF_DATASETS_CACHE"] = str(folder.absolute() / ".datasets")
    if not hub:
        os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")
    quiet()


def quiet() -> None:
    """Bars and notes of the libraries would bury our own."""
    import datasets
    import transformers

    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("lm_eval").setLevel(logging.ERROR)


def _examination(job: Job, tokenizer: Tokenizer) -> Examination:
    from transformers import AutoTokenizer

    recipe, length = job.recipe, job.recipe.pretrain.sequence_length
    prompts = {language: recipe.eval.prompts[language] for language in recipe.languages}
    conversations = job.inputs["chat-data"] / "sft" / "heldout.jsonl" if "chat-data" in job.inputs else None
    data = decontamination.manifest_of(job.inputs["data"])
    return Examination(
        texts=held_out.load(job.inputs["data"], tokenizer, recipe.languages),
        tasks=examination.prepare(recipe.eval.tasks, recipe.languages, job.folder / ".tasks", data),
        prompts=prompts,
        rooms=measure.rooms(prompts, AutoTokenizer.from_pretrained(job.inputs["tokenizer"]), length),
        length=length,
        chat=chat.prepare(recipe.eval.chat, recipe.languages, recipe.seed, conversations, _parallel(job)) if recipe.eval.chat else None,
    )


def _parallel(job: Job) -> list[Path]:
    """Sentence pairs that chat models are trained on: what a dictionary may learn from too."""
    chat = job.recipe.chat
    files = [chat.file_of(source) for source in chat.sources if source.kind == "parallel" and not source.keys]
    return [file for file in files if file and file.name.endswith((".jsonl", ".jsonl.zst"))]


def _candidates(job: Job, tokenizer: Tokenizer, test: Examination) -> dict[str, Candidate]:
    """In the order of the table."""
    exported = job.inputs["export-hf"]
    found = {
        "untrained": Candidate(partial(_hugging_face, exported / "phase2", job, test, random_seed=job.recipe.seed)),
        "phase1": _own(exported / "phase1", job, test),
        "phase2": _own(exported / "phase2", job, test, asked=True),  # before chat training
    }
    for stage in CHAT_MODELS:
        if stage in job.inputs:
            found[stage] = _own(job.inputs[stage] / "model", job, test, chat=True, asked=True)
    for kind in job.recipe.gguf.types:
        path = job.inputs["gguf"] / f"model-{kind}.gguf"
        calls: dict[str, Part] = {"tool_calls": ("", partial(_tool_calls, job))} if job.recipe.tools else {}
        found[f"gguf-{kind}"] = Candidate(partial(_gguf, path, job, tokenizer, test), path.stat().st_size, own_parts=calls)
    return found | {peer.name: _peer(peer, job, test) for peer in job.recipe.eval.peers}


def _own(folder: Path, job: Job, test: Examination, *, chat: bool = False, asked: bool = False) -> Candidate:
    return Candidate(partial(_hugging_face, folder, job, test, chat=chat), any_model.size_of(str(folder)), asked=asked)


def _peer(peer: Peer, job: Job, test: Examination) -> Candidate:
    opener = partial(any_model.opened, peer.model, test.length, peer.chat, _device(job), job.hardware.threads, peer.revision)
    return Candidate(opener, any_model.size_of(peer.model), ours=False, asked=peer.chat)


def _device(job: Job) -> str:
    return "cuda" if job.hardware.device == "gpu" else "cpu"


def _measured(folder: Path, name: str, candidate: Candidate, test: Examination) -> dict[str, Any]:
    """All parts of one model; it is opened only when one is missing."""
    parts = measure.parts(name, test, ours=candidate.ours, asked=candidate.asked) | candidate.own_parts
    paths = {part: folder / f"{part}.json" for part in parts}
    missing = [part for part, (key, _) in parts.items() if not kept_rows.has(paths[part], key)]
    if missing:
        with candidate.opener() as model:
            for part in missing:
                key, ask = parts[part]
                kept_rows.once(paths[part], key, partial(ask, model))
    found = {part: kept_rows.once(paths[part], key, _never) for part, (key, _) in parts.items()}
    if candidate.size:
        found["bits"]["bytes"] = candidate.size
    return found


def _never() -> dict[str, Any]:
    raise AssertionError("measured, but not kept")


def _written(folder: Path, measured: dict[str, dict[str, Any]], test: Examination) -> dict[str, Any]:
    """Results from what is kept: one row a model, one description a task."""
    facts: dict[str, Any] = {"models": {}, "tasks": {}}
    for name, parts in measured.items():
        row = dict(parts["bits"])
        units = {label: one for unit in test.tasks.units() if unit in parts for label, one in parts[unit].items()}
        if units:
            row["tasks"] = {label: one["figures"] for label, one in units.items()}
            facts["tasks"] |= {label: one["described"] for label, one in units.items()}
            write_rows(folder / "samples" / f"{name}.jsonl", [raw for one in units.values() for raw in one["rows"]])
        if "chat" in parts:
            row["chat"] = parts["chat"]["figures"]
            write_rows(folder / "chat" / f"{name}.jsonl", parts["chat"]["rows"])
        if "tool_calls" in parts:
            row["tool_calls"] = parts["tool_calls"]
        facts["models"][name] = row
    if test.chat:
        facts["chat"] = test.chat.described
    texts = (row for parts in measured.values() for row in parts.get("samples", {}).get("samples", ()))
    write_rows(folder / "samples.jsonl", texts)
    write_json(folder / "results.json", facts)
    return facts


def _unigram(job: Job, tokenizer: Tokenizer, test: Examination) -> dict[str, Any]:
    """Bits per byte only: without context every choice of a place and every sample would be the same."""
    return measure.bits("unigram", held_out.unigram_scorer(job.inputs["data"], tokenizer), test)


@contextmanager
def _hugging_face(folder: Path, job: Job, test: Examination, *, chat: bool = False, random_seed: int | None = None) -> Iterator[Any]:
    import torch
    from transformers import AutoTokenizer

    from eval.hugging_face import opened

    same_tokenizer.check_file(folder, job.inputs["tokenizer"])
    if job.hardware.threads:
        torch.set_num_threads(job.hardware.threads)
    with opened(folder, AutoTokenizer.from_pretrained(folder), test.length, chat, _device(job), random_seed) as model:
        yield model


@contextmanager
def _gguf(path: Path, job: Job, tokenizer: Tokenizer, test: Examination) -> Iterator[Any]:
    from eval.llama_cpp_model import GgufModel, opened, token_ids

    with opened(path, test.length, job.hardware.threads) as model:
        tokenize = same_tokenizer.agreed(tokenizer, partial(token_ids, model), path)
        for text in (text for held in test.texts.values() for text in held.texts):
            tokenize(text)
        yield GgufModel(model, tokenize, test.length)


def _tool_calls(job: Job, model: Any) -> dict[str, Any]:
    """Of a GGUF file, with and without a grammar."""
    asked = tool_calls.load(job.inputs["tools"] / "data" / "heldout.jsonl", TOOL_QUESTIONS)
    modes = {"free": False, "grammar": True}
    return {mode: tool_calls.measure(tool_calls.of_gguf(model.model, constrained), asked)[0] for mode, constrained in modes.items()}
