"""lm-eval over a GGUF file in process.

lm-eval's own `gguf` model asks a server over HTTP and leaves the last token of a choice out of the score; here all tokens count.
"""

from typing import Any

from lm_eval.api.model import TemplateLM

from eval.llama_cpp_model import Tokenize, log_probabilities
from kishi.errors import DataError
from kishi.special_tokens import END_OF_TEXT

_ONLY = "GGUF files are measured on multiple choice only: {} is not built; take a task with `output_type: multiple_choice`"


class LlamaCppLM(TemplateLM):  # type: ignore[misc]
    """Log-likelihoods of choices; a question that is too long loses its beginning, as in lm-eval's `HFLM`."""

    def __init__(self, model: Any, tokenize: Tokenize, length: int) -> None:
        super().__init__()
        self._model, self._tokenize, self._length = model, tokenize, length

    @property
    def eot_token_id(self) -> int:
        """Stands before a choice without a question."""
        return self._tokenize(END_OF_TEXT)[0]

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        """Token ids; Kishi's tokenizer adds none of its own."""
        return self._tokenize(string)

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = True) -> list[tuple[float, bool]]:
        """(nats, greedy) of each request's continuation given its context."""
        answers: list[tuple[float, bool]] = super().loglikelihood(requests, disable_tqdm=disable_tqdm)
        return answers

    def _loglikelihood_tokens(self, requests: list[tuple[tuple[str, str], list[int], list[int]]], **_: Any) -> list[tuple[float, bool]]:
        return [self._one(context, continuation) for _, context, continuation in requests]

    def _one(self, context: list[int], continuation: list[int]) -> tuple[float, bool]:
        if not 0 < len(continuation) <= self._length:
            raise DataError(f"a choice of {len(continuation)} tokens, the model takes 1 to {self._length}", fix="mend the task's choices")
        found, greedy = log_probabilities(self._model, (context + continuation)[-(self._length + 1) :], len(continuation))
        return sum(found), greedy

    def loglikelihood_rolling(self, requests: Any, disable_tqdm: bool = False) -> list[float]:
        """Not built: bits per byte stand for it."""
        raise NotImplementedError(_ONLY.format("loglikelihood_rolling"))

    def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
        """Not built."""
        raise NotImplementedError(_ONLY.format("generate_until"))
