"""Every text that the recipe evaluates on: what `decontaminate.py` keeps out of training."""

from pathlib import Path

from data_prep.normalise import normalise
from kishi.evaluation_texts import read_texts
from kishi.overlap import CHAT
from recipes.schema import Recipe


def evaluation_texts(recipe: Recipe) -> dict[str, list[str]]:
    """Per set its texts: tasks of `eval`, and local chat examples, a part of which is held out. Raises DataError: see `read_texts`."""
    sets = {task.name: Path(task.path) for task in recipe.eval.tasks}
    if recipe.chat.heldout:
        sets |= {f"{CHAT}{source.name}": path for source in recipe.chat.sources for path in recipe.chat.compared_files(source)}
    return {name: [normalise(text) for text in read_texts(name, path)] for name, path in sets.items()}  # as documents are
