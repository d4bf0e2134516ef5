"""Parallel rows and titled documents out of a folder of documents in several languages, as chat sources read them (docs/chat-data.md).

python -m bench.parallel_text FOLDER OUT [--only REGEX]

FOLDER holds {kk,ru,en}.jsonl.zst with `id`, `text`, `license`, `tier`, as kishi-local reads them. Documents whose names differ only in
words for a language are translations of each other: where they have as many lines, line by line, else their paragraphs are aligned by
length and by the numbers and Latin words that both have. `--only`: documents whose id has a match. OUT gets {kk-ru,kk-en,ru-en}.jsonl,
titles-{kk,ru,en}.jsonl, translation.jsonl (sentences of documents that are held aside, for the chat measures) and pairs.jsonl (some of
the others, for their dictionary).
"""

import argparse
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations
from math import log
from pathlib import Path

from kishi.draws import draw
from kishi.jsonl import Row, read_rows, write_rows
from kishi.words import words_of

LANGUAGES = ("kk", "ru", "en")
ASIDE, ASIDE_ROWS = 0.03, 100  # share of the documents, and rows of each pair that are taken from them at most
DICTIONARY_ROWS = 3000  # of each pair: the baseline of the chat measures learns from them, about a millisecond each and direction
SHORTEST, LONGEST = 12, 400  # characters of a side
_LANGUAGE = re.compile(r"(?<![a-z])(pr\.kk-kz|pr\.ru-ru|kk-kz|ru-ru|en-us|kaz|rus|eng|kk|ru|en)(?![a-z])")
_ANCHOR = re.compile(r"[A-Za-z][A-Za-z-]{2,}|\d+")
_MARKUP = re.compile(r"!\w+|:::|https?://|[{}<>\\|]|\]\(|&\w+;|\.md\b|^#|^---")
_SKIP, _LEAST = 0.25, 0.6  # price of a paragraph without a partner, and the score from which two are partners
_CELLS = 40_000  # of two documents that are compared paragraph by paragraph, at most


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.parallel_text", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--only", default="", help="a regular expression of ids")
    options = parser.parse_args(arguments)
    counts = make(options.folder, options.out, options.only)
    print(json.dumps(counts))
    return 0


def make(folder: Path, out: Path, only: str = "") -> dict[str, int]:
    """Rows written to each file."""
    files = {language: read_rows(folder / f"{language}.jsonl.zst") for language in LANGUAGES}
    documents = {language: [row for row in rows if re.search(only, row["id"])] for language, rows in files.items()}
    aside: list[Row] = []
    learnt: list[Row] = []
    counts = {}
    for one, other in combinations(LANGUAGES, 2):
        rows = list(_distinct(_pairs(documents, one, other)))
        held = [row for row in rows if draw(row["group"], 1) < ASIDE and _is_sentence(row[one]) and _is_sentence(row[other])]
        held = sorted(held, key=lambda row: draw(row["id"], 2))[:ASIDE_ROWS]
        said = {" ".join(words_of(row[code])) for row in held for code in (one, other)}
        kept = [
            row for row in rows if draw(row["group"], 1) >= ASIDE and not {" ".join(words_of(row[code])) for code in (one, other)} & said
        ]
        counts[f"{one}-{other}"] = write_rows(out / f"{one}-{other}.jsonl", kept)
        aside += held
        learnt += sorted(kept, key=lambda row: draw(row["id"], 3))[:DICTIONARY_ROWS]
    counts["translation"] = write_rows(out / "translation.jsonl", aside)
    counts["pairs"] = write_rows(out / "pairs.jsonl", learnt)
    for language in LANGUAGES:
        counts[f"titles-{language}"] = write_rows(out / f"titles-{language}.jsonl", _titled(documents[language]))
    return counts


def _pairs(documents: dict[str, list[Row]], one: str, other: str) -> Iterator[Row]:
    """Rows of all documents that both languages have."""
    by_name = [_by_name(documents[language]) for language in (one, other)]
    for name in sorted(by_name[0].keys() & by_name[1].keys()):
        for first in by_name[0][name]:
            found = _partner(first, by_name[1][name])
            if not found:
                continue
            licence = first["license"] if first["license"] == found["license"] else f"{first['license']}; {found['license']}"
            for number, (left, right) in enumerate(aligned(lines_of(first), lines_of(found))):
                if _is_usable(left) and _is_usable(right):
                    yield {"id": f"{name}:{number}", one: left, other: right, "license": licence, "group": name}


def _by_name(documents: list[Row]) -> dict[str, list[Row]]:
    """Older versions of a document (`name@version`) are no partners."""
    found = defaultdict[str, list[Row]](list)
    for document in documents:
        if "@" not in document["id"]:
            found[name_of(document)].append(document)
    return found


def name_of(document: Row) -> str:
    """Its name without words for a language, signs, and the number of lines that some names end with; the part of a file stays."""
    place = _LANGUAGE.sub("", document["id"].lower())
    path, _, last = place.rpartition("/")
    if last.isdigit():
        return re.sub(r"[^a-z/]", "", path) + f"/{last}"
    return re.sub(r"[^a-z0-9/]", "", place)


def _partner(document: Row, others: list[Row]) -> Row | None:
    """The only one, or the one with as many lines."""
    if len(others) == 1:
        return others[0]
    same = [other for other in others if len(lines_of(other)) == len(lines_of(document))]
    return same[0] if len(same) == 1 else None


def lines_of(document: Row) -> list[str]:
    """Lines with something in them, as plain text."""
    return [line for line in (" ".join(line.split()).lstrip("*->#•– ").strip() for line in document["text"].split("\n")) if line]


def aligned(left: list[str], right: list[str]) -> list[tuple[str, str]]:
    """Partners in order: line by line when every line can be one, else by dynamic programming over paragraphs."""
    if len(left) == len(right) and sum(score(*pair) for pair in zip(left, right, strict=True)) >= _LEAST * len(left):
        return [pair for pair in zip(left, right, strict=True) if score(*pair) >= 0.4]
    if len(left) * len(right) > _CELLS:
        return []
    scores = [[score(one, other) for other in right] for one in left]
    best = [[0.0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i in range(len(left) - 1, -1, -1):
        for j in range(len(right) - 1, -1, -1):
            best[i][j] = max(best[i + 1][j + 1] + scores[i][j] - 2 * _SKIP, best[i + 1][j], best[i][j + 1])
    found, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        if best[i][j] == best[i + 1][j]:
            i += 1
        elif best[i][j] == best[i][j + 1]:
            j += 1
        else:
            if scores[i][j] >= _LEAST:
                found.append((left[i], right[j]))
            i, j = i + 1, j + 1
    return found


def score(left: str, right: str) -> float:
    """0 to 1: how alike two lines are in length, and of what any language writes alike how much both have."""
    length = max(0.0, 1 - abs(log(len(left) / len(right))))
    ours, theirs = _anchors(left), _anchors(right)
    if not theirs - ours or not ours - theirs:  # of English every word is Latin: only what the other has counts
        shared = 1.0 if ours & theirs else 0.5
    else:
        smaller = min(ours, theirs, key=len)
        shared = len(ours & theirs) / len(smaller)
    return length * (0.4 + 0.6 * shared)


@lru_cache(maxsize=4096)
def _anchors(text: str) -> frozenset[str]:
    return frozenset(_ANCHOR.findall(text))


def _is_usable(text: str) -> bool:
    return SHORTEST <= len(text) <= LONGEST and not _MARKUP.search(text) and any(map(str.islower, text)) and not text[0].islower()


def _is_sentence(text: str) -> bool:
    return 4 <= len(words_of(text)) <= 30


def _key(text: str) -> str:
    return " ".join(words_of(text))


def _distinct(rows: Iterator[Row]) -> Iterator[Row]:
    """Each pair of texts once."""
    seen = set()
    for row in rows:
        key = tuple(_key(value) for name, value in row.items() if name in LANGUAGES)
        if key not in seen:
            seen.add(key)
            yield row


def _titled(documents: list[Row]) -> Iterator[Row]:
    """Clean documents that begin with a short line without an end, an empty line after it, and a paragraph."""
    for document in documents:
        title, gap, text = document["text"].partition("\n\n")
        whole = gap and 12 <= len(title) <= 110 and "\n" not in title and title[-1].isalnum() and not _MARKUP.search(title)
        prose = " ".join(line for line in lines_of({"text": text}) if _is_usable(line) and line.endswith("."))
        if whole and document["tier"] == "clean" and "@" not in document["id"] and len(prose) >= 300:
            body = "\n".join(line for line in lines_of({"text": text}) if _is_usable(line) and line.endswith((".", ":")))
            yield {"id": document["id"], "title": title, "text": body, "language": document["lang"], "license": document["license"]}


if __name__ == "__main__":
    raise SystemExit(main())
