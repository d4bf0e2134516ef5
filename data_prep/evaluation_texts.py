"""Every text that the recipe evaluates on: what `decontaminate.py` keeps out of training."""

from data_prep.normalise import normalise
from kishi.evaluation_texts import read_examples, read_texts
from kishi.overlap import CHAT
from recipes.schema import Recipe
from recipes.schema_chat import ENDINGS


def evaluation_texts(recipe: Recipe) -> dict[str, list[str]]:
    """Per set its texts: what `eval` asks, and local chat examples, a part of which is held out. Raises DataError: see `read_texts`."""
    texts = {name: read_texts(name, path, columns) for name, (path, columns) in recipe.eval.files().items()}
    texts |= {f"{CHAT}{name}": read_examples(f"chat source {name}", path, ENDINGS) for name, path in recipe.chat.compared.items()}
    return {name: [normalise(text) for text in found] for name, found in texts.items()}  # as documents are
