"""A quick look at `eval.tasks` while training: which choice has the highest log-likelihood, of a few questions.

Prompts and scoring are those of the evaluation stage (lm-eval's `acc` and `acc_norm`); tests/pipeline compares the two.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from kishi.bits_per_byte import Window
from kishi.questions import Question, baselines, load
from kishi.task_files import spread
from recipes.schema import Recipe

# windows -> nats of the scored tokens of each
Scorer = Callable[[Sequence[Window]], list[float]]


def chosen_questions(recipe: Recipe) -> dict[str, list[Question]]:
    """By `<task>_<language>`: at most `pretrain.questions`, spread evenly. Raises DataError for a set that cannot be read."""
    limit = recipe.pretrain.questions
    if not limit:
        return {}
    sets = {
        (task.name, language): found
        for task in recipe.eval.tasks
        if task.kind == "multiple_choice" and task.path
        for language, found in load(Path(task.path), task.languages or recipe.languages, task.columns, task.where).items()
    }
    return {f"{task}_{language}": spread(questions, limit) for (task, language), questions in sets.items()}


class MultipleChoice:
    """The questions as windows, one a choice."""

    def __init__(self, recipe: Recipe, tokenizer: Tokenizer) -> None:
        self.asked = chosen_questions(recipe)
        length = recipe.pretrain.sequence_length
        pairs = [(question, choice) for questions in self.asked.values() for question in questions for choice in question.choices]
        self._windows = [_window(tokenizer, question.prompt, choice, length) for question, choice in pairs]

    def figures(self, score: Scorer) -> dict[str, dict[str, Any]]:
        """Per set: number of questions, accuracy (also a character of the choice), random and majority baseline."""
        scores, done = [-nats for nats in score(self._windows)], 0
        result = {}
        for name, questions in self.asked.items():
            hits = hits_norm = 0
            for question in questions:
                own = scores[done : done + len(question.choices)]
                done += len(own)
                by_character = [value / len(choice) for value, choice in zip(own, question.choices, strict=True)]
                hits += own.index(max(own)) == question.answer
                hits_norm += by_character.index(max(by_character)) == question.answer
            count = len(questions)
            result[name] = {"acc": round(hits / count, 4), "acc_norm": round(hits_norm / count, 4), **baselines(questions)}
        return result


def _window(tokenizer: Tokenizer, prompt: str, choice: str, length: int) -> Window:
    """The choice is scored; what is too long loses its beginning."""
    ids = tokenizer.encode(f"{prompt} {choice}", add_special_tokens=False).ids
    given = len(tokenizer.encode(prompt, add_special_tokens=False).ids)
    cut = ids[-(length + 1) :]
    return Window(cut, scored=min(len(ids) - given, len(cut) - 1))
