"""A GGUF file, in process through llama.cpp: what its text costs, what it writes, and its form for lm-eval."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kishi.bits_per_byte import Window

Tokenize = Callable[[str], list[int]]


@dataclass(frozen=True)
class GgufModel:
    """See `eval.measure.LanguageModel`. `tokenize` gives the file's own ids, proven equal to Hugging Face's (`eval.same_tokenizer`)."""

    model: Any
    tokenize: Tokenize
    length: int
    chat: bool = True

    def negative_log_likelihood(self, cut: list[Window]) -> float:
        """Nats over the scored tokens of all windows."""
        return negative_log_likelihood(self.model, cut)

    def harness(self) -> Any:
        """The lm-eval `LM`."""
        from eval.llama_cpp_harness import LlamaCppLM

        return LlamaCppLM(self.model, self.tokenize, self.length)

    def write(self, prompt: str, room: int) -> tuple[str, bool]:
        """(greedy answer of at most `room` tokens through the chat template in the file, whether it ended by itself)."""
        messages: Any = [{"role": "user", "content": prompt}]
        choice = self.model.create_chat_completion(messages, max_tokens=room, temperature=0.0)["choices"][0]
        return str(choice["message"]["content"]), choice["finish_reason"] == "stop"


@contextmanager
def opened(path: Path, length: int, threads: int | None) -> Iterator[Any]:
    """The `llama_cpp.Llama` with logits of every position kept, closed at the end: it holds memory that Python does not free."""
    from llama_cpp import Llama

    sizes = {"n_ctx": length, "n_batch": length, "n_ubatch": length}
    model = Llama(str(path), **sizes, n_threads=threads, n_threads_batch=threads, logits_all=True, verbose=False)
    try:
        yield model
    finally:
        model.close()


def token_ids(model: Any, text: str) -> list[int]:
    """Special tokens in the text count as such, as they do in Hugging Face."""
    ids: list[int] = model.tokenize(text.encode(), add_bos=False, special=True)
    return ids


def log_probabilities(model: Any, tokens: Sequence[int], scored: int) -> tuple[list[float], bool]:
    """(of the last `scored` tokens, in nats; whether each of them was the most probable).

    What the model has read last is not read again as far as it is the same: the choices of a question share the question.
    """
    given = list(tokens[:-1])
    same = np.asarray(model.input_ids[: min(model.n_tokens, len(given))]) == given[: model.n_tokens]
    model.n_tokens = int(np.argmin(same)) if not same.all() else len(same)
    if model.n_tokens < len(given):
        model.eval(given[model.n_tokens :])
    found, greedy = [], True
    for place in range(len(given) - scored, len(given)):  # one row at a time: rows x vocabulary in 64 bits would be large
        logits = np.asarray(model.scores[place], dtype=np.float64)
        peak, chosen = logits.max(), logits[tokens[place + 1]]
        found.append(float(chosen - peak - np.log(np.exp(logits - peak).sum())))
        greedy = greedy and bool(chosen == peak)
    return found, greedy


def negative_log_likelihood(model: Any, cut: list[Window]) -> float:
    """Nats over the scored tokens of all windows."""
    return -sum(sum(log_probabilities(model, window.tokens, window.scored)[0]) for window in cut)
