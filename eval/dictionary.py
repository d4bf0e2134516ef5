"""A word-for-word translator learnt from sentence pairs: what a translation must beat to be more than a dictionary.

IBM model 1 (Brown and others 1993): words of a pair are equally likely to be each other's translation at first; five rounds of expectation
and maximisation sharpen that. A word that was never seen is copied.
"""

import re
from collections import defaultdict
from collections.abc import Sequence

_ROUNDS = 5
_PARTS = re.compile(r"\w+|[^\w\s]+")

Pair = tuple[str, str]


class Dictionary:
    """Of one direction. `pairs`: (source sentence, its translation)."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._best = _learn([(_words(source), _words(target)) for source, target in pairs])
        self.entries = len(self._best)

    def translate(self, text: str) -> str:
        """Each word by its likeliest translation, in the order of the source; marks stay where they are."""
        out = ""
        for part in _PARTS.findall(text):
            word = self._best.get(part.lower(), part)
            out += (" " if part[0].isalnum() and out else "") + (word.capitalize() if part[0].isupper() else word)
        return out


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _learn(pairs: Sequence[tuple[list[str], list[str]]]) -> dict[str, str]:
    together = defaultdict[str, dict[str, float]](dict)
    for source, target in pairs:
        for word in source:
            together[word] |= dict.fromkeys(target, 1.0)
    for _ in range(_ROUNDS):
        counts = defaultdict[str, dict[str, float]](lambda: defaultdict(float))
        for source, target in pairs:
            for said in target:
                total = sum(together[word][said] for word in source)
                for word in source:
                    counts[word][said] += together[word][said] / total
        for word, found in counts.items():
            all_of_it = sum(found.values())
            together[word] = {said: count / all_of_it for said, count in found.items()}
    return {word: max(sorted(found), key=lambda said: found[said]) for word, found in together.items() if found}
