"""What every model is put to, whatever form it has: held-out text, tasks, chat measures, and prompts to answer or go on from."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from eval import held_out
from eval.bits import gives_back
from eval.chat import ChatTest
from eval.examination import Tasks
from eval.held_out import HeldOut, Scorer
from kishi.errors import ArtefactError, DataError
from kishi.languages import Language

ANSWER_TOKENS = 48


class LanguageModel(Protocol):
    """A model that is open and ready; `eval.bits.Reader` says what it reads with."""

    @property
    def length(self) -> int:
        """Tokens that it takes at most."""

    @property
    def chat(self) -> bool:
        """Prompts go through the chat template; otherwise the text is gone on with."""

    @property
    def start(self) -> int:
        """Id that stands before each text."""

    def encode(self, text: str) -> list[int]:
        """Ids without special tokens."""

    def decode(self, ids: list[int]) -> str:
        """Text as it is."""

    def nats(self, cut: Any) -> list[float]:
        """Of the scored tokens of each window."""

    def negative_log_likelihood(self, cut: Any) -> float:
        """Nats over the scored tokens of windows."""

    def harness(self) -> Any:
        """The lm-eval `LM`."""

    def write(self, prompt: str, room: int) -> tuple[str, bool]:
        """(greedy text of at most `room` tokens, whether it ended by itself)."""

    def answer(self, conversations: Any, room: int) -> list[tuple[str, bool]]:
        """The same for conversations, through the chat template."""


@dataclass(frozen=True)
class Examination:
    """The same for all models. `rooms`: tokens that an answer may have, per language."""

    texts: dict[str, HeldOut]
    tasks: Tasks
    prompts: dict[Language, str]
    rooms: dict[Language, int]
    length: int
    chat: ChatTest | None = None


def rooms(prompts: dict[Language, str], tokenizer: Any, length: int) -> dict[Language, int]:
    """Tokens left for an answer after each prompt in the chat template. Raises DataError when there are none."""
    from eval.hugging_face import prompt_ids

    found = {}
    for language, prompt in prompts.items():
        used = len(prompt_ids(tokenizer, prompt, chat=True))
        if used >= length:
            raise DataError(f"{used} tokens, the model takes {length}", where=f"eval.prompts.{language}", fix="shorten the prompt")
        found[language] = min(ANSWER_TOKENS, length - used)
    return found


def bits(name: str, score: Scorer, test: Examination) -> dict[str, Any]:
    """`bits_per_byte` per language and the speed of measuring. Raises ArtefactError naming the model when a figure is not finite."""
    started = time.monotonic()
    found = {language: text.bits_per_byte(score, test.length) for language, text in test.texts.items()}
    for language, value in found.items():
        if not math.isfinite(value):
            raise ArtefactError(
                f"bits per byte in {language} is {value}",
                where=f"model {name}",
                fix="its weights or logits hold NaN or infinity: look at the training curve of its stage and run that stage again",
            )
    tokens = sum(text.tokens for text in test.texts.values())
    return {"bits_per_byte": found, "tokens_per_second": round(tokens / (time.monotonic() - started))}


# what is measured in one go and kept when the stage is killed: its hash, and how to measure it
Part = tuple[str, Callable[[Any], dict[str, Any]]]


def parts(name: str, test: Examination, *, ours: bool = True, asked: bool = False) -> dict[str, Part]:
    """Of one model. `ours`: it has the run's tokenizer and was trained on its data; `asked`: the chat measures too."""
    found: dict[str, Part] = {"bits": ("", partial(_bits, name, test, ours)), "samples": ("", partial(_samples, name, test))}
    for unit, key in test.tasks.units().items():
        found[unit] = (key, partial(_task, test, unit, name, ours))
    if asked and test.chat:
        found["chat"] = (test.chat.key, test.chat.ask)
    return found


def _bits(name: str, test: Examination, ours: bool, model: LanguageModel) -> dict[str, Any]:
    """A peer's tokenizer cuts the same texts in its own way; the bytes are the same."""
    if not ours:
        lossy = {language: sum(not gives_back(model, text) for text in held.texts) for language, held in test.texts.items()}
        test = Examination(held_out.cut_by(model, test.texts), test.tasks, test.prompts, test.rooms, model.length)
        return {**bits(name, model.negative_log_likelihood, test), "lossy_texts": lossy}
    return bits(name, model.negative_log_likelihood, test)


def _task(test: Examination, unit: str, name: str, ours: bool, model: LanguageModel) -> dict[str, Any]:
    return test.tasks.ask(unit, name, model, ours=ours)


def _samples(name: str, test: Examination, model: LanguageModel) -> dict[str, Any]:
    return {"samples": [_sample(name, model, language, test) for language in test.prompts]}


def _sample(name: str, model: LanguageModel, language: Language, test: Examination) -> dict[str, Any]:
    prompt = test.prompts[language]
    text, stopped = model.write(prompt, test.rooms[language])
    return {
        "model": name,
        "lang": language,
        "mode": "answer" if model.chat else "continuation",
        "prompt": prompt,
        "text": text,
        "stopped": stopped,
    }
