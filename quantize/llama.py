"""llama.cpp in this process: quantise a file, tokenize, score and generate with it, without its log."""

import ctypes
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np

from kishi.bits_per_byte import Window
from kishi.errors import ArtefactError

_FILE_TYPES = {
    "Q8_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0,
    "Q6_K": llama_cpp.LLAMA_FTYPE_MOSTLY_Q6_K,
    "Q5_K_M": llama_cpp.LLAMA_FTYPE_MOSTLY_Q5_K_M,
    "Q4_K_M": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M,
    "IQ4_NL": llama_cpp.LLAMA_FTYPE_MOSTLY_IQ4_NL,
    "IQ4_XS": llama_cpp.LLAMA_FTYPE_MOSTLY_IQ4_XS,
    "Q4_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0,
}


@llama_cpp.llama_log_callback
def _ignore(_level: int, _text: bytes, _data: ctypes.c_void_p) -> None:
    """Its log would break up the progress display; failures come back as return codes."""


def silence() -> None:
    """Drop llama.cpp's log from now on."""
    llama_cpp.llama_log_set(_ignore, ctypes.c_void_p(0))


def _imatrix(importance: Mapping[str, np.ndarray]) -> Any:
    """The C array that llama.cpp reads, ended by an entry without a name. It points into `importance`, which must outlive it."""
    entries = (llama_cpp.llama_model_imatrix_data * (len(importance) + 1))()
    for entry, (name, values) in zip(entries, importance.items(), strict=False):
        entry.name = name.encode()
        entry.data = values.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        entry.size = values.size
    return entries


def quantize(source: Path, target: Path, kind: str, threads: int | None, importance: Mapping[str, np.ndarray] | None = None) -> None:
    """Write `target` whole or not at all. `importance`: of each column of a tensor, 32-bit (`quantize.importance`)."""
    silence()
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = _FILE_TYPES[kind]
    parameters.nthread = threads or os.cpu_count() or 1
    if importance:
        entries = _imatrix(importance)
        parameters.imatrix = entries
    partial = target.with_name(target.name + ".partial")
    code = llama_cpp.llama_model_quantize(str(source).encode(), str(partial).encode(), ctypes.byref(parameters))
    if code != 0:
        raise ArtefactError(f"llama.cpp could not make {kind} of it (code {code})", where=source, fix="see that the disk has room")
    partial.replace(target)


@contextmanager
def opened(path: Path, context: int, threads: int | None, logits: bool = False) -> Iterator[llama_cpp.Llama]:
    """The model, closed at the end: it holds memory that Python does not free by itself. `logits`: of every position."""
    silence()
    model = llama_cpp.Llama(
        str(path),
        n_ctx=context,
        n_batch=context,
        n_ubatch=context,
        n_threads=threads,
        n_threads_batch=threads,
        logits_all=logits,
        verbose=False,
    )
    try:
        yield model
    finally:
        model.close()


def token_ids(model: llama_cpp.Llama, text: str) -> list[int]:
    """Special tokens in the text count as such, as they do in Hugging Face."""
    ids: list[int] = model.tokenize(text.encode(), add_bos=False, special=True)
    return ids


def window_loss(model: llama_cpp.Llama, window: Window) -> float:
    """Nats summed over the window's scored tokens."""
    model.reset()
    model.eval(window.tokens[:-1])
    inputs = len(window.tokens) - 1
    logits = np.asarray(model.scores[inputs - window.scored : inputs], dtype=np.float64)
    targets = np.asarray(window.tokens[-window.scored :])
    peak = logits.max(axis=1)
    normaliser = peak + np.log(np.exp(logits - peak[:, None]).sum(axis=1))
    return float((normaliser - logits[np.arange(window.scored), targets]).sum())


def perplexity(model: llama_cpp.Llama, windows: Sequence[Window]) -> float:
    """Per token."""
    return math.exp(sum(window_loss(model, window) for window in windows) / sum(window.scored for window in windows))


def tokens_per_second(model: llama_cpp.Llama, prompt: Sequence[int], count: int) -> float:
    """Speed of writing, one token at a time, after the prompt is read."""
    model.reset()
    model.eval(list(prompt))
    model.eval([model.sample(temp=0.0)])  # the first step also allocates
    begin = time.perf_counter()
    for _ in range(count):
        model.eval([model.sample(temp=0.0)])
    return count / (time.perf_counter() - begin)


def answer(model: llama_cpp.Llama, prompt: str, max_tokens: int) -> str:
    """Greedy answer to one question, through the chat template in the file."""
    messages: Any = [{"role": "user", "content": prompt}]
    reply: Any = model.create_chat_completion(messages, max_tokens=max_tokens, temperature=0.0)
    return str(reply["choices"][0]["message"]["content"])
