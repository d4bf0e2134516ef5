"""Reads sources. A bad line goes to the quarantine with its reason; a source that gives nothing at all is an error."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard

from data_prep.document import Document
from kishi.errors import DataError
from kishi.jsonl import open_bytes
from recipes.schema import Source

ENDINGS = (".jsonl", ".jsonl.zst", ".txt", ".parquet")


@dataclass
class Collected:
    """Documents of all sources, and the lines that could not be read."""

    documents: list[Document] = field(default_factory=list)
    quarantine: list[dict[str, Any]] = field(default_factory=list)

    def reject(self, source: Source, path: Path, line: int, reason: str, raw: bytes = b"") -> None:
        """Keep a bad line with its place and reason; the raw bytes as text with escapes, cut to a readable length."""
        text = raw[:500].decode("utf-8", "backslashreplace").rstrip("\n")
        self.quarantine.append({"source": source.name, "file": path.name, "line": line, "reason": reason, "raw": text})


def collect(sources: tuple[Source, ...]) -> Collected:
    """Read every source whole. Raises DataError when one is missing or has no usable document."""
    collected = Collected()
    for source in sources:
        before = len(collected.documents)
        for path in _files(source):
            _read_file(source, path, collected)
        if len(collected.documents) == before:
            raise DataError(f"source {source.name}: not one usable document", where=source.path, fix=_first_reason(source, collected))
    return collected


def _first_reason(source: Source, collected: Collected) -> str:
    bad = [row for row in collected.quarantine if row["source"] == source.name]
    if not bad:
        return "the files are empty; point the source at text"
    return f"{len(bad)} lines were rejected, the first ({bad[0]['file']}:{bad[0]['line']}) because: {bad[0]['reason']}"


def _files(source: Source) -> list[Path]:
    path = Path(source.path)
    if not path.exists():
        raise DataError(f"source {source.name}: no such file or folder", where=path, fix="mend data.sources in the recipe")
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file() and p.name.endswith(ENDINGS))
    if not files or not files[0].name.endswith(ENDINGS):
        raise DataError(f"source {source.name}: no file that ends in {', '.join(ENDINGS)}", where=path)
    return files


def _read_file(source: Source, path: Path, collected: Collected) -> None:
    if path.suffix == ".parquet":
        rows = _parquet_rows(source, path, collected)
    elif path.suffix == ".txt":
        rows = _text_rows(source, path, collected)
    else:
        rows = _json_rows(source, path, collected)
    for number, row in rows:
        _add(source, path, number, row, collected)


def _json_rows(source: Source, path: Path, collected: Collected) -> Iterator[tuple[int, Any]]:
    for number, line in _lines(source, path, collected):
        if not line.strip():
            continue
        try:
            yield number, json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
        except UnicodeDecodeError as error:
            collected.reject(source, path, number, f"not UTF-8 (byte {error.start})", line)
        except (ValueError, RecursionError):  # ValueError also for integers of absurd length
            collected.reject(source, path, number, "not valid JSON", line)


def _lines(source: Source, path: Path, collected: Collected) -> Iterator[tuple[int, bytes]]:
    """Numbered lines; a damaged or cut-off archive ends with a quarantine entry instead of an exception."""
    number = 0
    try:
        with open_bytes(path) as stream:
            for line in stream:
                number += 1
                yield number, line
    except (zstandard.ZstdError, EOFError) as error:
        collected.reject(source, path, number + 1, f"archive is damaged or cut off: {error}")


def _text_rows(source: Source, path: Path, collected: Collected) -> Iterator[tuple[int, Any]]:
    """One document a file."""
    raw = path.read_bytes()
    try:
        yield 1, {"text": raw.decode("utf-8-sig")}
    except UnicodeDecodeError as error:
        collected.reject(source, path, 1, f"not UTF-8 (byte {error.start})", raw)


def _parquet_rows(source: Source, path: Path, collected: Collected) -> Iterator[tuple[int, Any]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise DataError("reading parquet needs pyarrow", where=path, fix="make setup") from None
    number = 0
    try:
        for batch in parquet.ParquetFile(path).iter_batches():
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except (ArrowException, OSError) as error:
        collected.reject(source, path, number + 1, f"parquet file is damaged: {error}")


def _add(source: Source, path: Path, number: int, row: Any, collected: Collected) -> None:
    if not isinstance(row, dict):
        return collected.reject(source, path, number, "not a JSON object", json.dumps(row).encode())
    text = row.get("text")
    if not isinstance(text, str) or not text.strip():
        return collected.reject(source, path, number, "no text", json.dumps(row, default=str).encode())
    if broken := next((key for key in ("text", "title", "id", "group", "lang") if _has_surrogate(row.get(key))), None):
        return collected.reject(source, path, number, f"lone surrogate in {broken}", json.dumps(row, default=str).encode())
    title = row.get("title")
    name = str(row.get("id") or f"{source.name}-{path.stem}-{number}")
    collected.documents.append(
        Document(
            id=name,
            text=f"{title}\n\n{text}" if isinstance(title, str) and title.strip() else text,
            lang=source.language or str(row.get("lang") or ""),
            source=source.name,
            license=source.license,
            tier=source.tier,
            group=str(row.get("group") or name),
        )
    )
    return None


def _has_surrogate(value: Any) -> bool:
    """Half a UTF-16 pair: JSON can escape one, UTF-8 cannot hold it."""
    return any(0xD800 <= ord(letter) <= 0xDFFF for letter in str(value))
