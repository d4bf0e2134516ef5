"""Stage `gguf`: the chat model as GGUF files, proven to be the same model, and what each costs in quality, size and speed."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from conversion.gguf import convert
from kishi.bits_per_byte import Window
from kishi.errors import ParityError
from kishi.hard_texts import hard_texts
from kishi.languages import Language
from quantize import calibration, importance, llama, modelfile, parity
from quantize.bits import bits_per_weight
from recipes.job import Job

_CONTEXT = 1024  # tokens in a window at most
_ANSWER_TOKENS = 48
_TIMED_TOKENS = 32
_WITHOUT_MATRIX = {"F16", "Q8_0"}  # llama.cpp rounds these to the nearest

Tokenize = Callable[[str], list[int]]


def make_files(job: Job, model: Path) -> dict[str, Path]:
    """The file of each type of the recipe; finished ones of an earlier attempt are kept. F16 is always made: the others come from it."""
    types = job.recipe.gguf.types
    base = job.folder / ("model-F16.gguf" if "F16" in types else ".model-F16.gguf")
    if not base.is_file():
        convert(model, base)
    files = {"F16": base}
    matrix = importance_matrix(job, model) if job.recipe.gguf.importance_matrix and set(types) - _WITHOUT_MATRIX else None
    for kind in track([kind for kind in types if kind != "F16"], description="quantising"):
        files[kind] = job.folder / f"model-{kind}.gguf"
        if not files[kind].is_file():
            llama.quantize(base, files[kind], kind, job.hardware.threads, None if kind in _WITHOUT_MATRIX else matrix)
    return files


def importance_matrix(job: Job, model: Path) -> dict[str, np.ndarray]:
    """On the recipe's calibration text; kept beside the files."""
    path = job.folder / "imatrix.gguf"
    if not path.is_file():
        from quantize.model_folder import load

        found = calibration.rows(job, model)
        measured = importance.measure(load(model, job.hardware), calibration.flat(found))
        importance.write(path, measured, sum(calibration.tokens(found).values()), len(calibration.flat(found)[0]))
    return importance.read(path)


def measure(path: Path, job: Job, windows: Mapping[Language, Sequence[Window]], context: int) -> dict[str, Any]:
    """Perplexity, size, speed and one answer per language."""
    threads = job.hardware.threads
    with llama.opened(path, context, threads, logits=True) as model:
        perplexity = {language: llama.perplexity(model, parts) for language, parts in windows.items()}
    with llama.opened(path, context, threads) as model:
        prompts = {language: job.recipe.eval.prompts[language] for language in windows}
        room = min(_ANSWER_TOKENS, context // 2)
        answers = {language: llama.answer(model, prompt, room) for language, prompt in prompts.items()}
        prompt = llama.token_ids(model, next(iter(prompts.values())))[: context // 2]
        speed = llama.tokens_per_second(model, prompt, min(_TIMED_TOKENS, context // 2 - 2))
    return {
        "bytes": path.stat().st_size,
        "bits_per_weight": round(bits_per_weight(path), 3),
        "perplexity": perplexity,
        "tokens_per_second": round(speed, 1),
        "samples": answers,
    }


def _reference_tokenizer(model: Path) -> tuple[Tokenize, int]:
    """How Hugging Face cuts text, and the longest window the model takes."""
    from transformers import AutoConfig, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(model)
    context = min(_CONTEXT, int(AutoConfig.from_pretrained(model).max_position_embeddings))
    return lambda text: list(tokenizer(text, add_special_tokens=False).input_ids), context


def run(job: Job) -> dict[str, Any]:
    """See docs/artefacts.md. Raises ParityError when the files are not the model they come from; none is kept then."""
    model = job.chat_model
    texts = parity.heldout_texts(job.inputs["data"], job.recipe.languages, job.recipe.gguf.heldout_characters)
    files = make_files(job, model)
    try:
        facts = compare(job, model, texts, files)
    except ParityError:
        for path in job.folder.glob("*.gguf"):  # a later attempt must not go on from them
            path.unlink()
        raise
    modelfile.write(job.folder, job.recipe.gguf.types, int(facts["context"]))
    return facts


def compare(job: Job, model: Path, texts: Mapping[Language, Sequence[str]], files: Mapping[str, Path]) -> dict[str, Any]:
    """Token ids, then perplexity against the Hugging Face model, and what each file costs."""
    tokenize, context = _reference_tokenizer(model)
    every_text = [*hard_texts(), *(text for documents in texts.values() for text in documents)]
    with llama.opened(files["F16"], context, job.hardware.threads) as opened:
        compared = parity.check_token_ids(tokenize, lambda text: llama.token_ids(opened, text), every_text)
    windows = parity.cut(tokenize, texts, context)
    reference = parity.reference_perplexity(model, windows)
    measured = {kind: measure(path, job, windows, context) for kind, path in track(files.items(), description="measuring")}
    differences = parity.check_perplexity(reference, measured["F16"]["perplexity"])
    return {
        "types": {kind: row for kind, row in measured.items() if kind in job.recipe.gguf.types},
        "reference_perplexity": reference,
        "f16_perplexity_difference": differences,
        "token_ids_compared": compared,
        "context": context,
    }
