"""Whether a text repeats one that is evaluated on.

A text does when it holds
- `ngram` words in a row of a task or chat example, or the whole example when that is shorter (at least `SHORT` words);
- close together, `containment` of the different word trigrams of such an example: it was edited lightly;
- a task of two to four words as a sentence of its own, or at the end of one (two words: only the whole sentence);
- more than a share of its own 8-grams in one held-out document, or of that document's in it (the caller sets the limit).
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Protocol

from kishi.words import shingles, words_of

CHAT = "chat:"  # names of sets of conversations begin so
SHORT = 5  # words; a shorter task counts only where it is a sentence, a shorter turn of a chat is an everyday phrase
SHORTEST = 2
HELDOUT_NGRAM = 8
_EDITED_MIN = 8  # words from which an edited example can be told
_COMMON = 3  # held-out documents from which on an 8-gram is a set phrase (a notice, a table's head), which leaks nothing
_SPREAD = 2  # an edited example stands within this many times its own length

Gram = tuple[str, ...]


class Limits(Protocol):
    """What counts as a repetition of an example."""

    @property
    def ngram(self) -> int:
        """Words in a row."""

    @property
    def containment(self) -> float:
        """Share of a short example's word trigrams found close together."""


class ExampleIndex:
    """Short texts: tasks and chat examples."""

    def __init__(self, texts: dict[str, list[str]], limits: Limits) -> None:
        self._limits = limits
        self._verbatim: dict[Gram, dict[Gram, str]] = defaultdict(dict)  # first two words -> runs that begin so -> set
        self._short: dict[Gram, dict[Gram, str]] = defaultdict(dict)  # the same for whole texts under SHORT words
        self._trigrams: dict[Gram, list[int]] = defaultdict(list)
        self._examples: list[tuple[str, int, int]] = []  # set, different trigrams, words
        self.counts = {name: len(rows) for name, rows in texts.items()}
        self.too_short = 0
        for name, rows in texts.items():
            for text in rows:
                self._add(name, words_of(text))
        self._pairs = {*self._verbatim, *self._short, *(gram[:2] for gram in self._trigrams)}

    def _add(self, name: str, words: Sequence[str]) -> None:
        if len(words) < SHORT:
            if name.startswith(CHAT) or len(words) < SHORTEST:
                self.too_short += 1
            else:
                self._short[tuple(words[:2])].setdefault(tuple(words), name)
            return
        for gram in shingles(words, min(self._limits.ngram, len(words))):
            self._verbatim[gram[:2]].setdefault(gram, name)
        trigrams = set(shingles(words, 3))
        if len(words) >= _EDITED_MIN:
            for trigram in trigrams:
                self._trigrams[trigram].append(len(self._examples))
            self._examples.append((name, len(trigrams), len(words)))

    def find(self, text: str) -> str | None:
        """Name of a set that the text repeats."""
        words = words_of(text)
        places: dict[int, list[tuple[int, Gram]]] = defaultdict(list)
        for at in [at for at, pair in enumerate(pairwise(words)) if pair in self._pairs]:
            pair = (words[at], words[at + 1])
            for gram, name in self._verbatim.get(pair, {}).items():
                if tuple(words[at : at + len(gram)]) == gram:
                    return name
            for gram, name in self._short.get(pair, {}).items():
                if tuple(words[at : at + len(gram)]) == gram and _is_sentence(gram, text):
                    return name
            trigram = tuple(words[at : at + 3])
            for example in self._trigrams.get(trigram, ()):
                places[example].append((at, trigram))
        return self._find_edited(places)

    def _find_edited(self, places: dict[int, list[tuple[int, Gram]]]) -> str | None:
        for example, hits in places.items():
            name, trigrams, length = self._examples[example]
            needed = self._limits.containment * trigrams
            if len(hits) >= needed and _most_within(hits, _SPREAD * length) >= needed:
                return name
        return None


def _is_sentence(words: Gram, text: str) -> bool:
    """The words end a sentence or a line somewhere; two words are a whole one."""
    begins = r"(?:^|[\n.?!…])\W*" if len(words) == SHORTEST else r"(?<!\w)"
    return re.search(begins + r"[\W_]+".join(map(re.escape, words)) + r"[^\w\n]*?(?:[.?!:…\n]|$)", text.lower()) is not None


def _most_within(hits: Sequence[tuple[int, Gram]], window: int) -> int:
    """The most different trigrams within any `window` words."""
    best, first = 0, 0
    inside = Counter[Gram]()
    for at, trigram in hits:
        inside[trigram] += 1
        while hits[first][0] < at - window:
            inside[hits[first][1]] -= 1
            inside += Counter()  # forget zeros
            first += 1
        best = max(best, len(inside))
    return best


class HeldoutIndex:
    """Long texts: held-out documents."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._grams: dict[Gram, list[int]] = defaultdict(list)
        self._sizes: list[int] = []
        for text in texts:
            own = set(_eight(words_of(text)))
            for gram in own:
                self._grams[gram].append(len(self._sizes))
            self._sizes.append(len(own))
        for gram in [gram for gram, places in self._grams.items() if len(places) >= _COMMON]:
            del self._grams[gram]
        self.count = len(self._sizes)

    def overlap(self, words: Sequence[str]) -> float:
        """The largest share of 8-grams in common with one held-out document, of the smaller of the two."""
        runs = _eight(words)
        known = {gram for gram in runs if gram in self._grams}
        if not known:
            return 0.0
        own, shared = set(runs), Counter(place for gram in known for place in self._grams[gram])
        return max((count / max(1, min(len(own), self._sizes[place])) for place, count in shared.items()), default=0.0)


def _eight(words: Sequence[str]) -> list[Gram]:
    return shingles(words, HELDOUT_NGRAM) if len(words) >= HELDOUT_NGRAM else []
