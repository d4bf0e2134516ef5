"""A GGUF model as the server uses it: messages to token ids by the file's own chat template, token ids to text.

`Llama.create_chat_completion` is not used: it drops special tokens, so `<tool_call>` would never be seen, and it cannot be stopped while it
writes without losing what was written. `Llama.generate` gives single tokens, the rest is here.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jinja2
import llama_cpp
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

from serve.errors import ApiError
from serve.loading import load
from serve.text_stream import StoppedText

Finish = Literal["stop", "length", "cancelled"]
# marks that are part of an answer; other control tokens are never shown
SHOWN = ("<tool_call>", "</tool_call>", "<think>", "</think>")


@dataclass(frozen=True)
class Sampling:
    """How to write an answer; the fields are llama.cpp's."""

    max_tokens: int
    temperature: float = 0.7
    top_p: float = 0.95
    top_k: int = 40
    min_p: float = 0.05
    repeat_penalty: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Piece:
    """Text that one more token made certain (often a part of a word, sometimes nothing); the last one says why it ended."""

    text: str
    tokens: int
    finish: Finish | None = None


class Engine:
    """One model in memory. Tokenizing is safe from any thread; `generate` is for one thread at a time."""

    def __init__(self, path: Path, context: int = 0, threads: int | None = None) -> None:
        self._model = load(path, context, threads)
        self.name = path.stem
        self.created = int(path.stat().st_mtime)
        self.context: int = self._model.n_ctx()
        self._vocabulary = llama_cpp.llama_model_get_vocab(self._model._model.model)
        self._control = self._control_tokens()
        self._shown = {self._control[text] for text in SHOWN if text in self._control}
        self._template = self._chat_template()

    @property
    def chats(self) -> bool:
        """Whether the file has a chat template."""
        return self._template is not None

    def prompt(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None) -> list[int]:
        """Token ids up to where the answer begins. Raises ApiError for what the template refuses, and for control tokens in the text,
        with which a user, or a tool's result, could forge another's turn."""
        if self._template is None:
            raise ApiError(400, "no_chat_template", "this model has no chat template: use /v1/completions")
        for place, text in (*_texts(messages, "messages"), *_texts(tools or [], "tools")):
            if found := next((token for token in self._control if token.startswith("<|") and token in text), None):
                raise ApiError(400, "control_token", f"the text contains the control token {found}", place)
        try:
            rendered = self._template(messages=messages, tools=tools or None).prompt
        except (ValueError, TypeError, jinja2.TemplateError) as error:
            raise ApiError(400, "template_error", f"the chat template refuses the messages: {error}", "messages") from error
        return self.tokens(rendered)

    def tokens(self, text: str) -> list[int]:
        """Token ids; special tokens in the text count as such."""
        ids: list[int] = self._model.tokenize(text.encode(), add_bos=False, special=True)
        return ids

    def generate(self, ids: Sequence[int], sampling: Sampling, cancelled: Callable[[], bool]) -> Iterator[Piece]:
        """The answer to the prompt `ids`, a piece a token. `cancelled` is asked before each token."""
        text = StoppedText(sampling.stop)
        self._model.set_seed(random.getrandbits(32) if sampling.seed is None else sampling.seed % 2**32)
        count, finish = 0, "length"
        for token in self._sampled(ids, sampling):
            if cancelled():
                finish = "cancelled"
                break
            if llama_cpp.llama_vocab_is_eog(self._vocabulary, token):
                finish = "stop"
                break
            count += 1
            piece = text.feed(self._model.detokenize([token], special=token in self._shown))
            if text.stopped:
                yield Piece(piece, count, "stop")
                return
            if count == sampling.max_tokens:
                yield Piece(piece + text.rest(), count, "length")
                return
            yield Piece(piece, count)
        yield Piece(text.rest(), count, finish)  # type: ignore[arg-type]

    def close(self) -> None:
        """Frees the model's memory, which Python does not do by itself."""
        self._model.close()

    def _sampled(self, ids: Sequence[int], sampling: Sampling) -> Iterator[int]:
        tokens: Iterator[int] = self._model.generate(
            ids,
            temp=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            min_p=sampling.min_p,
            repeat_penalty=sampling.repeat_penalty,
            frequency_penalty=sampling.frequency_penalty,
            presence_penalty=sampling.presence_penalty,
        )
        return tokens

    def _control_tokens(self) -> dict[str, int]:
        kind = llama_cpp.LLAMA_TOKEN_ATTR_CONTROL
        ids = [i for i in range(self._model.n_vocab()) if llama_cpp.llama_vocab_get_attr(self._vocabulary, i) & kind]
        return {llama_cpp.llama_vocab_get_text(self._vocabulary, i).decode(): i for i in ids}

    def _chat_template(self) -> Jinja2ChatFormatter | None:
        source = self._model.metadata.get("tokenizer.chat_template")
        if source is None:
            return None
        ends = [(llama_cpp.llama_vocab_get_text(self._vocabulary, i) or b"").decode() if i >= 0 else "" for i in self._ends()]
        return Jinja2ChatFormatter(source, eos_token=ends[0], bos_token=ends[1])

    def _ends(self) -> tuple[int, int]:
        return self._model.token_eos(), self._model.token_bos()


def _texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Every string in nested lists and dictionaries, with where it is."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _texts(item, f"{place}.{number}")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield place, str(key)
            yield from _texts(item, f"{place}.{key}")
