"""What every model is put to, whatever form it has: held-out text, questions, and prompts to answer or go on from."""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from eval import multiple_choice
from eval.held_out import HeldOut, Scorer
from kishi.errors import ArtefactError, DataError
from kishi.languages import Language

ANSWER_TOKENS = 48
Measured = dict[str, Any]


class LanguageModel(Protocol):
    """A model that is open and ready."""

    @property
    def chat(self) -> bool:
        """Prompts go through the chat template; otherwise the text is gone on with."""

    def negative_log_likelihood(self, cut: Any) -> float:
        """Nats over the scored tokens of windows."""

    def harness(self) -> Any:
        """The lm-eval `LM`."""

    def write(self, prompt: str, room: int) -> tuple[str, bool]:
        """(greedy text of at most `room` tokens, whether it ended by itself)."""


@dataclass(frozen=True)
class Examination:
    """The same for all models. `rooms`: tokens that an answer may have, per language; `task_folder`: written by `write_tasks`."""

    texts: dict[str, HeldOut]
    tasks: dict[str, Any]
    task_folder: Path
    prompts: dict[Language, str]
    rooms: dict[Language, int]
    length: int


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


def measure(name: str, model: LanguageModel, test: Examination) -> Measured:
    """`row` for results.json, `samples` and `questions`: the raw rows behind its figures."""
    row, questions = bits(name, model.negative_log_likelihood, test), []
    if test.tasks:
        questions = multiple_choice.raw_rows(multiple_choice.ask(model.harness(), list(test.tasks), test.task_folder), name)
        row["tasks"] = multiple_choice.figures(questions)
    return {"row": row, "samples": [_sample(name, model, language, test) for language in test.prompts], "questions": questions}


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
