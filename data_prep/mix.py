"""Cuts languages down to the recipe's shares by bytes, keeping as much text as they allow.

Each document has a draw, a number that belongs to its id and the seed. Per tier and language the documents with the smallest draws
stay, as many as the share allows: one number, the threshold, says which. The documents themselves are never held in memory.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from data_prep.document import size, training_row
from data_prep.evidence import CleaningStep, Evidence
from kishi.draws import draw
from kishi.errors import DataError
from kishi.jsonl import RowWriter, read_rows, write_json
from kishi.languages import Language

TOLERANCE = 0.02
THRESHOLDS = "thresholds.json"
_DRAW = np.dtype([("draw", "<f8"), ("bytes", "<u8")])


class Draw(CleaningStep):
    """Writes each document's draw and size for `Threshold`."""

    name = "draw"

    def __init__(self, work: Path, seed: int) -> None:
        super().__init__(work)
        self.seed = seed

    def begin(self, rank: int, evidence: Evidence) -> None:
        """A list a tier and language."""
        self._writer = RowWriter(self.work / "draws" / f"{rank:05d}.jsonl")

    def apply(self, document: Document, evidence: Evidence) -> Document:
        """Every document goes on."""
        meta = document.metadata
        self._writer.write({"tier": meta["tier"], "lang": meta["lang"], "draw": _draw(document, self.seed), "bytes": size(document.text)})
        return document

    def end(self, rank: int, evidence: Evidence) -> None:
        """Close the list."""
        self._writer.close()


def _draw(document: Document, seed: int) -> float:
    return draw(f"{document.metadata['origin']}:{document.id}", seed + 1)  # not the draw of the held-out split


class Threshold(PipelineStep):  # type: ignore[misc]
    """One task: thresholds of all tiers and languages from all draws. Raises DataError when the mix cannot be reached."""

    type, name = "data_prep", "threshold"

    def __init__(self, work: Path, shares: Mapping[Language, float]) -> None:
        super().__init__()
        self.work, self.shares = work, dict(shares)

    def run(self, data: None = None, rank: int = 0, world_size: int = 1) -> None:
        """datatrove's interface."""
        found: dict[str, dict[str, list[tuple[float, int]]]] = defaultdict(lambda: defaultdict(list))
        for path in sorted((self.work / "draws").glob("*.jsonl")):
            for row in read_rows(path):
                found[row["tier"]][row["lang"]].append((row["draw"], row["bytes"]))
        draws = {tier: {lang: np.sort(np.array(rows, dtype=_DRAW)) for lang, rows in langs.items()} for tier, langs in found.items()}
        write_json(self.work / THRESHOLDS, {tier: thresholds(tier, of, self.shares) for tier, of in sorted(draws.items())})


def thresholds(tier: str, draws: Mapping[str, Any], shares: Mapping[Language, float]) -> dict[str, float]:
    """Per language the draw below which documents stay. `draws`: sorted arrays of (draw, bytes)."""
    sizes = {language: int(draws[language]["bytes"].sum()) if language in draws else 0 for language in shares}
    wanted = [language for language, share in shares.items() if share > 0]
    if missing := [language for language in wanted if not sizes[language]]:
        raise DataError(
            f"no text left in {', '.join(missing)}, which the mix asks for ({tier} tier)",
            fix="add a source, loosen the filters or change data.mix",
        )
    whole = min(sizes[language] / shares[language] for language in wanted)
    result, kept = dict[str, float](), dict[Language, int]()
    for language in wanted:
        ends = np.cumsum(draws[language]["bytes"])
        count = int(np.abs(ends - shares[language] * whole).argmin()) + 1  # nearest to the share, not below it
        last = count >= len(ends)
        result[language] = 1.0 if last else float(draws[language]["draw"][count])
        kept[language] = int(ends[count - 1])
    _check(kept, shares)
    return result


def _check(kept: Mapping[Language, int], shares: Mapping[Language, float]) -> None:
    total = sum(kept.values())
    off = [
        f"{language} {kept.get(language, 0) / total:.1%} instead of {share:.0%}"
        for language, share in shares.items()
        if abs(kept.get(language, 0) / total - share) > TOLERANCE
    ]
    if off:
        raise DataError(
            f"the mix cannot be reached: {'; '.join(off)}", fix="add text (few long documents cannot be balanced) or change data.mix"
        )


class Mix(CleaningStep):
    """The last step: writes `corpus/<tier>/<lang>-<shard>.jsonl.zst`; what is over the share is kept as evidence."""

    name = "mix"

    def __init__(self, work: Path, corpus: Path, seed: int) -> None:
        super().__init__(work)
        self.corpus, self.seed = corpus, seed

    def begin(self, rank: int, evidence: Evidence) -> None:
        """Read the thresholds."""
        self._thresholds = json.loads((self.work / THRESHOLDS).read_bytes())
        self._rank, self._writers = rank, dict[tuple[str, str], RowWriter]()

    def apply(self, document: Document, evidence: Evidence) -> Document | None:
        """By the document's draw."""
        tier, lang = document.metadata["tier"], document.metadata["lang"]
        if _draw(document, self.seed) >= self._thresholds[tier].get(lang, 0.0):
            evidence.remove(document, "over-mix")
            return None
        if (tier, lang) not in self._writers:
            self._writers[tier, lang] = RowWriter(self.corpus / tier / f"{lang}-{self._rank:05d}.jsonl.zst")
        self._writers[tier, lang].write(training_row(document))
        return document

    def end(self, rank: int, evidence: Evidence) -> None:
        """Close the shard's files."""
        for writer in self._writers.values():
            writer.close()
