"""Cuts languages down to the recipe's shares by bytes, keeping as much text as they allow."""

import hashlib
from collections.abc import Mapping, Sequence

from data_prep.document import Document, Removed
from kishi.errors import DataError
from kishi.languages import Language

TOLERANCE = 0.02


def mix(documents: Sequence[Document], shares: Mapping[Language, float], seed: int) -> tuple[list[Document], list[Removed]]:
    """Documents in the asked shares; the rest is "over-mix". Raises DataError when a share is off by more than two points."""
    sizes = {language: sum(d.bytes for d in documents if d.lang == language) for language in shares}
    wanted = [language for language, share in shares.items() if share > 0]
    if missing := [language for language in wanted if not sizes[language]]:
        raise DataError(
            f"no text left in {', '.join(missing)}, which the mix asks for", fix="add a source, loosen the filters or change data.mix"
        )
    whole = min(sizes[language] / shares[language] for language in wanted)
    order = sorted(enumerate(documents), key=lambda pair: hashlib.blake2b(f"{seed}:{pair[1].id}".encode()).digest())
    left = {language: share * whole for language, share in shares.items()}
    chosen = set()
    for place, document in order:
        if document.lang in left and document.bytes <= left[document.lang] + document.bytes / 2:  # nearest to the share, not below it
            left[document.lang] -= document.bytes
            chosen.add(place)  # not the id: two sources may use the same
    kept = [document for place, document in enumerate(documents) if place in chosen]
    _check(achieved(kept, shares), shares)
    return kept, [Removed(document, "over-mix") for place, document in enumerate(documents) if place not in chosen]


def achieved(documents: Sequence[Document], shares: Mapping[Language, float]) -> dict[Language, float]:
    """Share of each language by bytes."""
    total = sum(document.bytes for document in documents)
    return {language: round(sum(d.bytes for d in documents if d.lang == language) / max(1, total), 4) for language in shares}


def _check(found: Mapping[Language, float], asked: Mapping[Language, float]) -> None:
    off = [
        f"{language} {found[language]:.1%} instead of {share:.0%}"
        for language, share in asked.items()
        if abs(found[language] - share) > TOLERANCE
    ]
    if off:
        raise DataError(
            f"the mix cannot be reached: {'; '.join(off)}", fix="add text (few long documents cannot be balanced) or change data.mix"
        )
