"""lm-eval over a GGUF file in process.

lm-eval's own `gguf` model asks a server over HTTP and leaves the last token of a choice out of the score; here all tokens count.
"""

from typing import Any

from lm_eval.api.model import TemplateLM

from eval.llama_cpp_model import Tokenize, log_probabilities, start_of
from kishi.errors import DataError

_ROLLING = "loglikelihood_rolling is not built for GGUF files: take kind bits_per_byte, which counts the same"


class LlamaCppLM(TemplateLM):  # type: ignore[misc]
    """Log-likelihoods of choices and greedy answers; what is too long loses its beginning, as in lm-eval's `HFLM`."""

    def __init__(self, model: Any, tokenize: Tokenize, length: int) -> None:
        super().__init__()
        self._model, self._tokenize, self._length = model, tokenize, length

    @property
    def eot_token_id(self) -> int:
        """Stands before a choice without a question."""
        return start_of(self._model)

    @property
    def max_length(self) -> int:
        """Tokens of prompt and answer."""
        return self._length

    @property
    def tokenizer_name(self) -> str:
        """Of no use here: lm-eval names its caches by it."""
        return "gguf"

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The prompt as text, by the template in the file."""
        from llama_cpp.llama_chat_format import Jinja2ChatFormatter

        template = self._model.metadata.get("tokenizer.chat_template")
        if template is None:
            raise DataError("has no chat template", where=self._model.model_path, fix="measure it as a model of plain text")
        text = {name: self._model.detokenize([token], special=True).decode() for name, token in self._ends().items()}
        formatted = Jinja2ChatFormatter(template, add_generation_prompt=add_generation_prompt, **text)(messages=chat_history)
        return str(formatted.prompt)

    def _ends(self) -> dict[str, int]:
        return {"bos_token": start_of(self._model), "eos_token": self._model.token_eos()}

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
        raise NotImplementedError(_ROLLING)

    def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
        """Greedy answers."""
        return [self._until(*request.args) for request in requests]

    def _until(self, prompt: str, settings: dict[str, Any]) -> str:
        room = int(settings.get("max_gen_toks", 256))
        before = [start_of(self._model)] if self._model._model.add_bos_token() else []
        tokens = before + self._tokenize(prompt)[-(self._length - room - len(before)) :]
        until = settings.get("until") or []
        found = self._model.create_completion(
            tokens, max_tokens=room, temperature=0.0, stop=[until] if isinstance(until, str) else list(until)
        )
        return str(found["choices"][0]["text"])
