"""How much each piece of text weighs when merges are learnt: dampened counts, balanced over domains and languages.

Plain BPE counts every occurrence, so a product name repeated a thousand times in one manual gets a token before an everyday word. Here a
piece counts as occurrences ** count_power within its domain; all of a domain of n pieces is then scaled by n ** (domain_power - 1), and
languages are brought to their shares. Pieces in the other alphabet (product names and markup in Kazakh manuals) do not count as that
language: the share that English has is learnt from English. bench/tokenizer_ablation.py measures what each of these does.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

import regex

from kishi.languages import Language
from tokenizer.pattern import PATTERN
from tokenizer.sample import Stratum

MOST = 12_000_000  # weighted pieces handed to the trainer; more changed no figure in the ablation
_FOREIGN = {"kk": regex.compile(r"\p{Latin}"), "ru": regex.compile(r"\p{Latin}"), "en": regex.compile(r"\p{Cyrillic}")}

Counts = Mapping[Stratum, Mapping[str, int]]


def count(texts: Iterable[tuple[Stratum, str]], pattern: str = PATTERN) -> dict[Stratum, Counter[str]]:
    """Occurrences of each piece that the pre-tokenizer cuts, per stratum."""
    pieces = regex.compile(pattern)
    counts: dict[Stratum, Counter[str]] = {}
    for stratum, text in texts:
        counts.setdefault(stratum, Counter()).update(pieces.findall(text))
    return counts


def weigh(counts: Counts, mix: Mapping[Language, float], count_power: float, domain_power: float) -> dict[str, float]:
    """Weight of each piece; all together weigh as many as were counted. Shares of languages are by UTF-8 bytes."""
    total = sum(sum(pieces.values()) for pieces in counts.values())
    weights: defaultdict[str, float] = defaultdict(float)
    for language, group in groupby(sorted(counts), key=lambda stratum: stratum.language):
        pieces: defaultdict[str, float] = defaultdict(float)
        for stratum in group:
            own = {piece: number for piece, number in counts[stratum].items() if not _FOREIGN[language].search(piece)}
            _add_domain(pieces, own, count_power, domain_power)
        size = sum(weight * len(piece.encode("utf-8")) for piece, weight in pieces.items())
        for piece, weight in pieces.items():
            weights[piece] += weight / size * mix[language]
    scale = total / sum(weights.values())
    return {piece: weight * scale for piece, weight in weights.items()}


def _add_domain(pieces: defaultdict[str, float], counts: Mapping[str, int], count_power: float, domain_power: float) -> None:
    dampened = {piece: number**count_power for piece, number in counts.items()}
    balance = max(1, sum(counts.values())) ** (domain_power - 1)
    for piece, weight in dampened.items():
        pieces[piece] += balance * weight


def repeated(weights: Mapping[str, float], most: int = MOST) -> Iterator[list[str]]:
    """Each piece as often as it weighs, `most` pieces in all at most: the trainer of `tokenizers` takes text, not counts."""
    scale = min(1.0, most / sum(weights.values()))
    for piece, weight in weights.items():
        if times := int(weight * scale + 0.5):
            yield [piece] * times
