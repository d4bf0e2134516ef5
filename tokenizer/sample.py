"""The text that merges are learnt from: bounded, and in the recipe's shares of languages."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from kishi.errors import DataError
from kishi.jsonl import read_rows
from kishi.languages import Language
from recipes.schema import Recipe

_SCALE = 2**64


def corpus_file(data: Path, language: Language) -> Path:
    """The language's clean text; its dirty text only where there is no clean one, so that no merges are learnt from damage."""
    for tier in ("clean", "dirty"):
        path = data / "corpus" / tier / f"{language}.jsonl.zst"
        if path.is_file() and next(read_rows(path), None) is not None:
            return path
    raise DataError(
        f"no documents in {language}", where=data / "corpus", fix=f"add a source with {language} text, or take {language} out of data.mix"
    )


def _chosen(document_id: str, seed: int, share: float) -> bool:
    """A choice that depends on nothing but the document and the seed, so it is the same in every run and any order."""
    digest = hashlib.blake2b(f"{seed}:{document_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * _SCALE


def sample_language(path: Path, share: float, seed: int) -> Iterator[str]:
    """About `share` of the documents, spread over the whole file."""
    for row in read_rows(path):
        if _chosen(str(row["id"]), seed, share):
            yield row["text"]


class Sample:
    """Iterates over the texts; afterwards `sizes` says how many bytes of each language there were.

    As large as `sample_megabytes` and the language that is scarcest for its share allow: the shares always hold.
    """

    def __init__(self, data: Path, recipe: Recipe) -> None:
        self._seed = recipe.seed
        mix = {language: share for language, share in recipe.data.mix.items() if share > 0}
        self._files = {language: corpus_file(data, language) for language in mix}
        available = {language: sum(len(row["text"].encode()) for row in read_rows(path)) for language, path in self._files.items()}
        budget = min(recipe.tokenizer.sample_megabytes * 1e6, *(available[language] / share for language, share in mix.items()))
        self._taken = {language: budget * share / available[language] for language, share in mix.items()}
        self.sizes: dict[str, int] = {}

    def __iter__(self) -> Iterator[str]:
        for language, path in self._files.items():
            self.sizes[language] = 0
            for text in sample_language(path, self._taken[language], self._seed):
                self.sizes[language] += len(text.encode())
                yield text
