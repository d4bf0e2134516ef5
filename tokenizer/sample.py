"""Which documents a tokenizer learns from: a bounded sample, spread over languages and sources, drawn by hash and not by place.

Two passes over the corpus. The first keeps 16 bytes a document (a seeded hash and the size) and decides how far up the hashes each
stratum may go; the second reads the chosen texts one at a time. The same seed gives the same documents whatever the order of the files.
"""

import hashlib
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kishi.errors import DataError
from kishi.jsonl import Row, read_rows
from kishi.languages import Language

TIERS = ("clean", "dirty")
# removed documents (step: reasons) whose words are as good as others': too much for the mix, or judged by their form and not their language
ALSO = {
    "mix": {"over-mix"},
    "filters": {"too-short", "line-punctuation", "labels", "ellipsis-lines", "lower-case", "placeholders"},
}


@dataclass(frozen=True, order=True)
class Stratum:
    """Text of one language from one place. `domain` is the document's own, or its `source` where it has none."""

    language: Language
    domain: str


@dataclass
class _Size:
    """Hash and UTF-8 bytes of each document of a stratum."""

    hashes: array[int] = field(default_factory=lambda: array("Q"))
    bytes: array[int] = field(default_factory=lambda: array("Q"))


@dataclass(frozen=True)
class Plan:
    """How far up the hashes each stratum is read, and how many UTF-8 bytes that gives."""

    data: Path
    seed: int
    limits: Mapping[Stratum, int]
    chosen: Mapping[Stratum, int]

    @property
    def bytes(self) -> int:
        """UTF-8 bytes of the whole sample."""
        return sum(self.chosen.values())

    def texts(self) -> Iterator[tuple[Stratum, str]]:
        """Each chosen document."""
        for stratum, row in _rows(self.data, {stratum.language for stratum in self.limits}):
            if _hash(self.seed, row) <= self.limits.get(stratum, -1):
                yield stratum, row["text"]


def plan(data: Path, mix: Mapping[Language, float], megabytes: float, domain_power: float, seed: int) -> Plan:
    """Give each language its share of `megabytes`, within it each domain a part proportional to size ** domain_power.

    A domain smaller than its part is taken whole and the rest goes to the others, so one large source cannot crowd out small ones.
    Raises DataError when a language of the mix has no text.
    """
    sizes: dict[Stratum, _Size] = {}
    for stratum, row in _rows(data, {language for language, share in mix.items() if share}):
        size = sizes.setdefault(stratum, _Size())
        size.hashes.append(_hash(seed, row))
        size.bytes.append(len(row["text"].encode("utf-8")))
    limits, chosen = {}, {}
    for language, share in mix.items():
        found = {stratum: float(sum(size.bytes)) for stratum, size in sizes.items() if stratum.language == language}
        if share and not sum(found.values()):
            raise DataError(
                f"no text in {language}, which has a share in tokenizer.mix", where=data, fix="add text or change tokenizer.mix"
            )
        for stratum, room in allot(found, share * megabytes * 1e6, domain_power).items():
            limits[stratum], chosen[stratum] = _limit(sizes[stratum], room)
    return Plan(data, seed, limits, chosen)


def allot[K](sizes: Mapping[K, float], room: float, power: float) -> dict[K, float]:
    """Divide `room` in proportion to size ** power, nobody getting more than its size."""
    given: dict[K, float] = {}
    while open_ := {key: size**power for key, size in sizes.items() if key not in given and size}:
        left, whole = room - sum(given.values()), sum(open_.values())
        full = [key for key, weight in open_.items() if left * weight / whole >= sizes[key]]
        if not full:
            return given | {key: left * weight / whole for key, weight in open_.items()}
        given |= {key: sizes[key] for key in full}
    return given


def _limit(size: _Size, room: float) -> tuple[int, int]:
    """The last hash that still fits (to the nearest document, at least one), and the bytes up to it."""
    total, last = 0, -1
    for number, length in sorted(zip(size.hashes, size.bytes, strict=True)):
        if last >= 0 and total + length / 2 > room:
            break
        total, last = total + length, number
    return last, total


def _hash(seed: int, row: Row) -> int:
    key = f"{seed}\0{row['source']}\0{row['id']}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest())


def _rows(data: Path, languages: set[Language]) -> Iterator[tuple[Stratum, Row]]:
    """The corpus, and what was left out of it for reasons that are none to a tokenizer."""
    for tier in TIERS:
        for language in sorted(languages):
            for path in sorted((data / "corpus" / tier).glob(f"{language}*.jsonl.zst")):
                yield from ((_stratum(language, row), row) for row in read_rows(path))
    for step, reasons in ALSO.items():
        path = data / "removed" / f"{step}.jsonl.zst"
        for row in read_rows(path) if path.exists() else ():
            if row["unit"] == "document" and row["lang"] in languages and row["reason"] in reasons:
                yield _stratum(row["lang"], row), row


def _stratum(language: Language, row: Row) -> Stratum:
    return Stratum(language, row.get("domain") or row["source"])
