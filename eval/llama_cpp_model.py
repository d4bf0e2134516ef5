"""A GGUF file, in process through llama.cpp: what its text costs, what it writes, and its form for lm-eval."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kishi.bits_per_byte import Window
from kishi.errors import ArtefactError
from kishi.special_tokens import END_OF_TEXT

Tokenize = Callable[[str], list[int]]


@dataclass(frozen=True)
class GgufModel:
    """See `eval.measure.LanguageModel`. For models of the run `tokenize` is proven equal to Hugging Face's (`eval.same_tokenizer`)."""

    model: Any
    tokenize: Tokenize
    length: int
    chat: bool = True

    @property
    def start(self) -> int:
        """Begin-of-text where the file names one, else end-of-text."""
        return start_of(self.model)

    def encode(self, text: str) -> list[int]:
        """Ids without special tokens."""
        return self.tokenize(text)

    def decode(self, ids: list[int]) -> str:
        """Text as it is."""
        return str(self.model.detokenize(ids, special=True).decode("utf-8", "replace"))

    def nats(self, cut: list[Window]) -> list[float]:
        """Of the scored tokens of each window."""
        return [-sum(log_probabilities(self.model, window.tokens, window.scored)[0]) for window in cut]

    def negative_log_likelihood(self, cut: list[Window]) -> float:
        """Nats over the scored tokens of all windows."""
        return sum(self.nats(cut))

    def harness(self) -> Any:
        """The lm-eval `LM`."""
        from eval.llama_cpp_harness import LlamaCppLM

        return LlamaCppLM(self.model, self.tokenize, self.length)

    def write(self, prompt: str, room: int) -> tuple[str, bool]:
        """(greedy text of at most `room` tokens, whether it ended by itself); through the chat template in the file if `chat`."""
        if self.chat:
            return self.answer([[{"role": "user", "content": prompt}]], room)[0]
        choice = self.model.create_completion([self.start, *self.encode(prompt)], max_tokens=room, temperature=0.0)["choices"][0]
        return str(choice["text"]), choice["finish_reason"] == "stop"

    def answer(self, conversations: Sequence[Any], room: int) -> list[tuple[str, bool]]:
        """For each conversation (greedy answer of at most `room` tokens, whether it ended by itself)."""
        return [self._answer(list(messages), room) for messages in conversations]

    def _answer(self, messages: Any, room: int) -> tuple[str, bool]:
        try:
            choice = self.model.create_chat_completion(messages, max_tokens=room, temperature=0.0)["choices"][0]
        except ValueError as error:
            if "context window" not in str(error):
                raise
            return "", False  # no room after the prompt, as in Hugging Face's
        return str(choice["message"]["content"]), choice["finish_reason"] == "stop"


def start_of(model: Any) -> int:
    """Id that stands before each text."""
    if "tokenizer.ggml.bos_token_id" in model.metadata:
        return int(model.token_bos())
    named = token_ids(model, END_OF_TEXT)
    return named[0] if len(named) == 1 else int(model.token_eos())


@contextmanager
def opened(path: Path, length: int, threads: int | None) -> Iterator[Any]:
    """The `llama_cpp.Llama` with logits of every position kept, closed at the end: it holds memory that Python does not free."""
    from llama_cpp import Llama

    sizes = {"n_ctx": length, "n_batch": length, "n_ubatch": length}
    try:
        model = Llama(str(path), **sizes, n_threads=threads, n_threads_batch=threads, logits_all=True, verbose=False)
    except ValueError as error:  # llama.cpp refuses a file with a tensor missing, and says no more than this
        fix = "make the file again: it is cut off, or lacks tensors of its architecture"
        raise ArtefactError(f"llama.cpp cannot load it: {error}", where=path, fix=fix) from error
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
