"""JSON Lines, plain or zstd-compressed. Lines are split on newline bytes only, never on Unicode line separators."""

import io
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import zstandard

Row = dict[str, Any]


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """The file's decompressed bytes (`.zst` by its ending)."""
    with path.open("rb") as raw:
        if path.suffix != ".zst":
            yield raw
            return
        with zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True) as stream:
            yield io.BufferedReader(stream, 1 << 16)  # type: ignore[type-var]


def read_rows(path: Path) -> Iterator[Row]:
    """Each line of a file that this project wrote itself. Raises ValueError on a bad line; see `data_prep` for foreign files."""
    with open_bytes(path) as stream:
        for line in stream:
            yield json.loads(line.decode("utf-8"))  # of bytes it would have to find out the encoding


def encode_row(row: Row) -> bytes:
    """One line: compact, keys in the given order, real letters rather than escapes."""
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode("utf-8") + b"\n"


class RowWriter:
    """Writes a file row by row, whole or not at all: under a temporary name until `close`, then renamed."""

    def __init__(self, path: Path, level: int = 9) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.count = path, 0
        self._partial = path.with_name(path.name + ".partial")
        self._raw = self._partial.open("wb")
        # no checksum, size or time in the frame, one thread: equal rows give equal bytes
        zst = path.suffix == ".zst"
        self._sink: Any = zstandard.ZstdCompressor(level=level).stream_writer(self._raw, closefd=False) if zst else self._raw

    def write(self, row: Row) -> None:
        """Add one line."""
        self._sink.write(encode_row(row))
        self.count += 1

    def close(self) -> None:
        """End the file and put it in its place."""
        self._sink.close()
        self._raw.close()
        self._partial.replace(self.path)

    def __enter__(self) -> "RowWriter":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._raw.close()


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Write the file whole or not at all; returns the number of rows."""
    with RowWriter(path) as writer:
        for row in rows:
            writer.write(row)
    return writer.count


def append_row(path: Path, row: Row) -> None:
    """Add one line and flush it: for metrics that are read while the stage runs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as stream:
        stream.write(encode_row(row))


def forget_after(path: Path, step: int) -> None:
    """Drop rows of steps after `step`, which will be done again; a last line cut by a kill goes too."""
    if path.is_file():
        lines = [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
        write_rows(path, [row for row in map(json.loads, lines) if row["step"] <= step])


def write_json(path: Path, value: object) -> None:
    """Write indented JSON whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)
