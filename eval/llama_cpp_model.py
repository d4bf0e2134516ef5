"""Scores a GGUF file in process through llama.cpp."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from kishi.bits_per_byte import Window


@contextmanager
def opened(path: Path, length: int) -> Iterator[Any]:
    """The model with logits of every position kept, closed at the end."""
    from llama_cpp import Llama

    model = Llama(str(path), n_ctx=length, n_batch=length, n_ubatch=length, logits_all=True, verbose=False)
    try:
        yield model
    finally:
        model.close()


def negative_log_likelihood(model: Any, cut: list[Window]) -> float:
    """Nats over the scored tokens of all windows."""
    total = 0.0
    for window in cut:
        model.reset()
        model.eval(window.tokens[:-1])
        logits = np.asarray(model.scores[: len(window.tokens) - 1], dtype=np.float64)[-window.scored :]
        shifted = logits - logits.max(axis=1, keepdims=True)
        chosen = shifted[np.arange(window.scored), window.tokens[-window.scored :]]
        total += float((np.log(np.exp(shifted).sum(axis=1)) - chosen).sum())
    return total
