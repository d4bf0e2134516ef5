"""The eval stage: a unigram baseline, an untrained model, both phases, SFT, DPO and every GGUF file side by side.

One model is in memory at a time and is the unit of work: a finished model is not measured again after a kill.
"""

import logging
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from eval import held_out, kept_rows, measure, multiple_choice, same_tokenizer, tool_calls
from eval.measure import Examination, Measured
from kishi.jsonl import write_json, write_rows
from kishi.manifest import sha256_of
from kishi.progress import track
from recipes.job import Job

TOOL_QUESTIONS = 120  # of the tools stage's held-out ones, for each GGUF file, with and without a grammar


def run(job: Job) -> dict[str, Any]:
    """Write `results.json`, which is also the facts, `samples.jsonl` and `lm_eval/<model>.jsonl` (docs/evaluation.md)."""
    cache = job.folder.absolute() / ".datasets"
    os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", HF_DATASETS_CACHE=str(cache))
    quiet()
    tokenizer = Tokenizer.from_file(str(job.inputs["tokenizer"] / "tokenizer.json"))
    test = _examination(job, tokenizer)
    key = sha256_of(test.tasks)  # the content of the task files, which the recipe only names
    measured = {
        name: kept_rows.once(job.folder / ".rows" / f"{name}.json", key, one)
        for name, one in track(list(_measures(job, tokenizer, test).items()), "evaluate")
    }
    for name, result in measured.items():
        if result["questions"]:
            write_rows(job.folder / "lm_eval" / f"{name}.jsonl", result["questions"])
    write_rows(job.folder / "samples.jsonl", (sample for result in measured.values() for sample in result["samples"]))
    rows = {name: result["row"] for name, result in measured.items()}
    facts = {"models": rows, "tasks": test.tasks, "task_version": multiple_choice.VERSION}
    write_json(job.folder / "results.json", facts)
    return facts


def quiet() -> None:
    """One progress line for the stage: bars and notes of the libraries would bury it."""
    import datasets
    import transformers

    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("lm_eval").setLevel(logging.ERROR)


def _examination(job: Job, tokenizer: Tokenizer) -> Examination:
    from transformers import AutoTokenizer

    recipe, length = job.recipe, job.recipe.pretrain.sequence_length
    prompts = {language: recipe.eval.prompts[language] for language in recipe.languages}
    return Examination(
        texts=held_out.load(job.inputs["data"], tokenizer, recipe.languages),
        tasks=multiple_choice.write_tasks(recipe.eval.tasks, recipe.languages, job.folder / ".tasks", tokenizer, length),
        task_folder=job.folder / ".tasks",
        prompts=prompts,
        rooms=measure.rooms(prompts, AutoTokenizer.from_pretrained(job.inputs["tokenizer"]), length),
        length=length,
    )


def _measures(job: Job, tokenizer: Tokenizer, test: Examination) -> dict[str, Callable[[], Measured]]:
    """In the order of the table; each opens its model, measures and closes it."""
    exported = job.inputs["export-hf"]
    measures: dict[str, Callable[[], Measured]] = {
        "unigram": partial(_unigram, job, tokenizer, test),
        "untrained": partial(_hugging_face, "untrained", exported / "phase2", job, test, random_seed=job.recipe.seed),
        "phase1": partial(_hugging_face, "phase1", exported / "phase1", job, test),
        "phase2": partial(_hugging_face, "phase2", exported / "phase2", job, test),
        "sft": partial(_hugging_face, "sft", job.inputs["sft"] / "model", job, test, chat=True),
        "dpo": partial(_hugging_face, "dpo", job.inputs["dpo"] / "model", job, test, chat=True),
    }
    for name in ("grpo", "tools"):
        if getattr(job.recipe, name):
            measures[name] = partial(_hugging_face, name, job.inputs[name] / "model", job, test, chat=True)
    for kind in job.recipe.gguf.types:
        name = f"gguf-{kind}"
        measures[name] = partial(_gguf, name, job.inputs["gguf"] / f"model-{kind}.gguf", job, tokenizer, test)
    return measures


def _unigram(job: Job, tokenizer: Tokenizer, test: Examination) -> Measured:
    """Bits per byte only: without context every choice of a place and every sample would be the same."""
    score = held_out.unigram_scorer(job.inputs["data"], tokenizer)
    return {"row": measure.bits("unigram", score, test), "samples": [], "questions": []}


def _hugging_face(name: str, folder: Path, job: Job, test: Examination, *, chat: bool = False, random_seed: int | None = None) -> Measured:
    import torch
    from transformers import AutoTokenizer

    from eval.hugging_face import opened

    same_tokenizer.check_file(folder, job.inputs["tokenizer"])
    if job.hardware.threads:
        torch.set_num_threads(job.hardware.threads)
    device = "cuda" if job.hardware.device == "gpu" else "cpu"
    with opened(folder, AutoTokenizer.from_pretrained(folder), test.length, chat, device, random_seed) as model:
        measured = measure.measure(name, model, test)
    if random_seed is None:
        measured["row"]["bytes"] = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    return measured


def _gguf(name: str, path: Path, job: Job, tokenizer: Tokenizer, test: Examination) -> Measured:
    from eval.llama_cpp_model import GgufModel, opened, token_ids

    with opened(path, test.length, job.hardware.threads) as model:
        tokenize = same_tokenizer.agreed(tokenizer, partial(token_ids, model), path)
        for text in (text for held in test.texts.values() for text in held.texts):
            tokenize(text)
        measured = measure.measure(name, GgufModel(model, tokenize, test.length), test)
        if job.recipe.tools:
            asked = tool_calls.load(job.inputs["tools"] / "data" / "heldout.jsonl", TOOL_QUESTIONS)
            modes = {"free": False, "grammar": True}
            tables = {mode: tool_calls.measure(tool_calls.of_gguf(model, constrained), asked)[0] for mode, constrained in modes.items()}
            measured["row"]["tool_calls"] = tables
    measured["row"]["bytes"] = path.stat().st_size
    return measured
