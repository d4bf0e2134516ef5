"""Rows of files and hub data sets that others wrote. A bad line becomes a `Rejected` with its reason instead of an exception.

Of a file in several parts, JSON Lines are shared out in blocks of lines and parquet in row groups: each part reads the whole archive
but parses only its own rows.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import zstandard

from kishi.errors import DataError

BLOCK_LINES = 1000
_CHUNK = 1 << 20


class HubSet(Protocol):
    """Which data set of the hub is read, and of which commit."""

    @property
    def dataset(self) -> str:
        """owner/name, or a local folder."""

    @property
    def subset(self) -> str | None:
        """Its configuration."""

    @property
    def split(self) -> str:
        """Of the subset."""

    @property
    def revision(self) -> str | None:
        """Commit."""

    @property
    def data_files(self) -> int | None:
        """Read only so many of its files."""


@dataclass(frozen=True)
class Rejected:
    """A line that cannot be used, and why."""

    file: str
    line: int
    reason: str
    raw: bytes = b""

    def row(self, source: str) -> dict[str, Any]:
        """For the quarantine: raw bytes as text with escapes, cut to a readable length."""
        text = self.raw[:500].decode("utf-8", "backslashreplace").rstrip("\n")
        return {"source": source, "file": self.file, "line": self.line, "reason": self.reason, "raw": text}


Item = tuple[str, int, Any] | Rejected  # (file, line or row number, what stands there)


def json_rows(path: Path, part: int = 0, parts: int = 1) -> Iterator[Item]:
    """JSON Lines, plain or zstd-compressed; blank lines are passed over."""
    for number, line in numbered_lines(path):
        if isinstance(line, str):
            if part == 0:  # the end of an archive is seen by all its parts, and told once
                yield Rejected(path.name, number, line)
        elif (number - 1) // BLOCK_LINES % parts == part and line.strip():
            yield _parse(path, number, line)


def _parse(path: Path, number: int, line: bytes) -> Item:
    try:
        return path.name, number, json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError as error:
        return Rejected(path.name, number, f"not UTF-8 (byte {error.start})", line)
    except (ValueError, RecursionError):  # ValueError also for integers of absurd length
        return Rejected(path.name, number, "not valid JSON", line)


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes | str]]:
    """Lines, split on newline bytes only. A damaged or cut-off archive ends with a text that says so, even when cut at a line's end."""
    number, rest = 0, b""
    try:
        for chunk in _decompressed(path):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                number += 1
                yield number, line
    except (zstandard.ZstdError, EOFError) as error:
        yield number + 1, f"archive is damaged or cut off: {error}"
    if rest:
        yield number + 1, rest


def _decompressed(path: Path) -> Iterator[bytes]:
    with path.open("rb") as raw:
        if path.suffix != ".zst":
            while chunk := raw.read(_CHUNK):
                yield chunk
            return
        frame: Any = None
        while chunk := raw.read(_CHUNK):
            while chunk:
                frame = frame or zstandard.ZstdDecompressor().decompressobj()
                if text := frame.decompress(chunk):
                    yield text
                chunk = frame.unused_data if frame.eof else b""
                frame = None if frame.eof else frame
        if frame:  # zstandard reports no error when the last frame is incomplete
            raise EOFError("the last frame has no end")


def parquet_rows(path: Path, part: int = 0, parts: int = 1) -> Iterator[Item]:
    """Row groups `part`, `part + parts`, ... of a file; numbers are those of the whole file."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise DataError("reading parquet needs pyarrow", where=path, fix="make setup") from None
    number = 0
    try:
        file = parquet.ParquetFile(path)
        for group in range(file.num_row_groups):
            if group % parts != part:
                number += file.metadata.row_group(group).num_rows
                continue
            for batch in file.iter_batches(batch_size=256, row_groups=[group]):
                for row in batch.to_pylist():
                    number += 1
                    yield path.name, number, row
    except (ArrowException, OSError) as error:
        yield Rejected(path.name, number + 1, f"parquet file is damaged: {error}")


def file_rows(path: Path) -> Iterator[Item]:
    """Of either kind, by the file's name."""
    return parquet_rows(path) if path.suffix == ".parquet" else json_rows(path)


def hub_rows(hub: HubSet, part: int, parts: int) -> Iterator[Item]:
    """Streamed; the data files that are read are shared out among the parts, and a part beyond their number has nothing.

    A connection that breaks is taken up again where it was, by `datasets`. Raises DataError when the hub does not answer or lacks the set.
    """
    try:
        import httpx
        from datasets import load_dataset
    except ImportError:
        raise DataError("reading from the hub needs datasets", where=hub.dataset, fix="make setup") from None
    try:
        whole = load_dataset(hub.dataset, hub.subset, split=hub.split, revision=hub.revision, streaming=True)
        for file in spread(whole.num_shards, hub.data_files)[part::parts]:
            for number, row in enumerate(whole.shard(num_shards=whole.num_shards, index=file), 1):
                yield f"{hub.dataset}-{file:05d}", number, dict(row)
    except (OSError, httpx.HTTPError) as error:
        fix = "see that the name, subset and revision are right and the network is there, then run again: finished parts are kept"
        raise DataError(f"the hub's data set could not be read ({error})", where=hub.dataset, fix=fix) from None


def spread(count: int, wanted: int | None) -> list[int]:
    """`wanted` of `count` places, evenly; all of them when there are fewer."""
    wanted = min(wanted or count, count)
    return [place * count // wanted for place in range(wanted)]
