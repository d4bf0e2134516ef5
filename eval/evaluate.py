"""The eval stage: a unigram baseline, an untrained model, both phases, SFT, DPO and every GGUF file side by side.

One model is the unit of work: a finished model's row is kept and not measured again after a kill.
"""

import json
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from eval import held_out, multiple_choice
from eval.held_out import HeldOut, Scorer
from kishi.jsonl import write_json
from kishi.progress import track
from recipes.job import Job


def run(job: Job) -> dict[str, Any]:
    """Write `results.json`; facts hold the same: `models.<name>.bits_per_byte.<language>` and so on."""
    os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", HF_DATASETS_CACHE=str(job.folder.absolute() / ".datasets"))
    tokenizer = Tokenizer.from_file(str(job.inputs["tokenizer"] / "tokenizer.json"))
    texts = held_out.load(job.inputs["data"], tokenizer, job.recipe.languages)
    tasks = multiple_choice.write_tasks(job.recipe.eval.tasks, job.recipe.languages, job.folder / ".tasks")
    measures = _measures(job, tokenizer, texts, tasks)
    rows = {name: _once(job.folder / ".rows" / f"{name}.json", measure) for name, measure in track(list(measures.items()), "evaluate")}
    facts = {"models": rows, "tasks": tasks, "task_version": multiple_choice.VERSION}
    write_json(job.folder / "results.json", facts)
    return facts


def _once(path: Path, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    if not path.exists():
        write_json(path, measure())
    row: dict[str, Any] = json.loads(path.read_text())
    return row


def _measures(job: Job, tokenizer: Tokenizer, texts: dict[str, HeldOut], tasks: dict[str, Any]) -> dict[str, Callable[[], dict[str, Any]]]:
    length = job.recipe.pretrain.sequence_length
    hugging_face = {
        "untrained": (job.inputs["export-hf"] / "phase2", True),
        "phase1": (job.inputs["export-hf"] / "phase1", False),
        "phase2": (job.inputs["export-hf"] / "phase2", False),
        "sft": (job.inputs["sft"] / "model", False),
        "dpo": (job.inputs["dpo"] / "model", False),
    }
    measures: dict[str, Callable[[], dict[str, Any]]] = {
        "unigram": lambda: _bits(held_out.unigram_scorer(job.inputs["data"], tokenizer), texts, length)
    }
    for name, (folder, fresh) in hugging_face.items():
        measures[name] = partial(_hugging_face, folder, fresh, job, texts, list(tasks))
    for kind in job.recipe.gguf.types:
        measures[f"gguf-{kind}"] = partial(_gguf, job.inputs["gguf"] / f"model-{kind}.gguf", texts, length)
    return measures


def _bits(score: Scorer, texts: dict[str, HeldOut], length: int) -> dict[str, Any]:
    started = time.monotonic()
    bits = {language: text.bits_per_byte(score, length) for language, text in texts.items()}
    tokens = sum(len(ids) for text in texts.values() for ids in text.documents)
    return {"bits_per_byte": bits, "tokens_per_second": round(tokens / (time.monotonic() - started))}


def _hugging_face(folder: Path, fresh: bool, job: Job, texts: dict[str, HeldOut], tasks: list[str]) -> dict[str, Any]:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    from eval.hugging_face import negative_log_likelihood

    if fresh:
        torch.manual_seed(job.recipe.seed)
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder), dtype=torch.float32)
    else:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model.eval()
    row = _bits(partial(negative_log_likelihood, model), texts, job.recipe.pretrain.sequence_length)
    if tasks:
        row["tasks"] = multiple_choice.evaluate(model, AutoTokenizer.from_pretrained(folder), tasks, job.folder / ".tasks")
    if not fresh:
        row["bytes"] = (folder / "model.safetensors").stat().st_size
    return row


def _gguf(path: Path, texts: dict[str, HeldOut], length: int) -> dict[str, Any]:
    from eval.llama_cpp_model import negative_log_likelihood, opened

    with opened(path, length) as model:
        row = _bits(partial(negative_log_likelihood, model), texts, length)
    return {**row, "bytes": path.stat().st_size}
