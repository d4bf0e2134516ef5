"""Sources of every format, whole and damaged: what is read, what is quarantined, what is an error."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import zstandard

from data_prep.collect import document_of
from data_prep.reading import rows
from data_prep.sources import Unit, plan
from kishi.errors import DataError
from kishi.rows import BLOCK_LINES, Rejected, spread
from recipes.schema_data import Data, Source
from tests.data_prep.hub import REPOSITORY, REVISION, Hub, hub

GOOD = b'{"text":"a good line","title":"Title"}'


def _source(path: Path, **more: Any) -> Source:
    return Source.model_validate({"name": "s", "path": str(path), "license": "CC0-1.0", **more})


def _read(source: Source, shard_megabytes: float = 64) -> tuple[list[str], list[Rejected]]:
    texts, bad = [], []
    for unit in plan(Data(sources=(source,), mix={"en": 1.0}, shard_megabytes=shard_megabytes)):
        for item in rows(unit):
            found = item if isinstance(item, Rejected) else document_of(unit, *item)
            if isinstance(found, Rejected):
                bad.append(found)
            else:
                texts.append(found.text)
    return texts, bad


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"\xff\xfe", "not UTF-8 (byte 0)"),
        (b'{"text":', "not valid JSON"),
        (b'{"text":"a","n":' + b"1" * 5000 + b"}", "not valid JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"text":"  "}', "no text"),
        (b'{"body":"x"}', "no key text"),
        (b'{"text":"a","title":"\\ud800"}', "lone surrogate in title"),
        (b'{"text":"a","id":"\\ud800"}', "lone surrogate in id"),
    ],
)
def test_bad_lines_are_quarantined_with_their_place(tmp_path: Path, line: bytes, reason: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD + b"\n\n" + line)
    texts, bad = _read(_source(path))
    assert texts == ["Title\n\na good line"] and [(row.file, row.line, row.reason) for row in bad] == [("a.jsonl", 3, reason)]


@pytest.mark.parametrize("level", [1, 19])
def test_a_cut_archive_is_noticed_even_when_cut_at_a_line_end(tmp_path: Path, level: int) -> None:
    lines = [json.dumps({"text": f"{n} " + "".join(random.Random(n).choices("abcdef ", k=300))}).encode() + b"\n" for n in range(3000)]
    whole = zstandard.compress(b"".join(lines), level)
    (path := tmp_path / "a.jsonl.zst").write_bytes(whole[:-2000])
    texts, bad = _read(_source(path))
    assert 0 < len(texts) < 3000 and any("cut off" in row.reason for row in bad)
    # a frame that was flushed after line 2000 and never ended: every line that is there is whole
    writer = zstandard.ZstdCompressor().compressobj()
    path.write_bytes(writer.compress(b"".join(lines[:2000])) + writer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
    texts, bad = _read(_source(path))
    assert len(texts) == 2000 and [row.reason for row in bad] == ["archive is damaged or cut off: the last frame has no end"]
    path.write_bytes(whole + whole)  # two frames are one archive
    assert len(_read(_source(path))[0]) == 6000


def test_parts_of_a_file_are_the_file(tmp_path: Path) -> None:
    count = 3 * BLOCK_LINES + 7
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": f"line {n}"}) + "\n" for n in range(count)) + "{bad\n")
    whole, one = _read(_source(tmp_path / "a.jsonl"))
    parts, two = _read(_source(tmp_path / "a.jsonl"), shard_megabytes=0.04)
    assert len(whole) == count and parts != whole and sorted(parts) == sorted(whole) and one == two


def test_parquet_text_and_wikipedia_extracts(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"content": [f"row {n}" for n in range(100)]}), tmp_path / "a.parquet", row_group_size=10)
    texts, _ = _read(_source(tmp_path / "a.parquet", text_key="content"), shard_megabytes=0.0002)
    assert sorted(texts) == sorted(f"row {n}" for n in range(100))
    (tmp_path / "b.txt").write_text("\ufeffone document")
    assert _read(_source(tmp_path / "b.txt"))[0] == ["one document"]
    (tmp_path / "AA").mkdir()
    page = '<doc id="1" url="u" title="Арал">\nАрал\n\nАрал — теңіз.\n</doc>\n<doc id="2" url="u" title="Cut">\nCut\n'
    (tmp_path / "AA/wiki_00").write_text(page)
    texts, bad = _read(_source(tmp_path / "AA"))
    assert texts == ["Арал\n\n\nАрал — теңіз."] and "cut off" in bad[0].reason


def test_a_hub_data_set_is_streamed_in_parts(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    for shard in range(3):
        table = pyarrow.table({"text": [f"{shard}-{n}" for n in range(5)], "id": [f"i{shard}-{n}" for n in range(5)]})
        parquet.write_table(table, tmp_path / f"train-{shard:05d}-of-00003.parquet")
    source = Source.model_validate({"name": "hub", "license": "x", "hub": {"dataset": str(tmp_path), "parts": 2}})
    units = plan(Data(sources=(source,), mix={"en": 1.0}))
    found = [[item[2]["text"] for item in rows(unit) if not isinstance(item, Rejected)] for unit in units]
    assert len(units) == 2 and all(found) and sorted(found[0] + found[1]) == [f"{s}-{n}" for s in range(3) for n in range(5)]


_READ_PARTS = """
import json, sys
from data_prep.reading import rows
from data_prep.sources import plan
from recipes.schema_data import Data, Source

source = Source.model_validate({"name": "hub", "license": "x", "hub": json.loads(sys.argv[1])})
units = plan(Data(sources=(source,), mix={"en": 1.0}))
print(json.dumps([[item[2]["id"] for item in rows(units[int(part)])] for part in sys.argv[2:]]))
"""


def _read_over_http(server: Hub, home: Path, parts: tuple[int, ...], **more: Any) -> subprocess.CompletedProcess[str]:
    """In a process of its own: `datasets` reads the hub's address once."""
    about = {"dataset": REPOSITORY, "subset": "kk", "revision": REVISION, "parts": 2, **more}
    environment = {**os.environ, "HF_ENDPOINT": server.address, "HF_HOME": str(home), "PYTHONPATH": "."}
    command = [sys.executable, "-c", _READ_PARTS, json.dumps(about), *map(str, parts)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_hub_data_set_is_read_over_http_at_its_revision_and_after_a_broken_connection(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    (folder := tmp_path / "repository/data/kk").mkdir(parents=True)
    (folder.parent.parent / "README.md").write_text("---\nconfigs:\n- {config_name: kk, data_files: data/kk/*.parquet}\n---\n")
    names = [f"data/kk/train-{file:05d}-of-00004.parquet" for file in range(4)]
    for file, name in enumerate(names):
        texts = [f"{file}-{row} {'x' * 200}" for row in range(2000)]
        table = pyarrow.table({"text": texts, "id": [f"{file}-{row}" for row in range(2000)]})
        parquet.write_table(table, folder.parent.parent / name, row_group_size=500)
    with hub(folder.parent.parent) as server:
        server.broken[names[1]] = 1
        done = _read_over_http(server, tmp_path / "home", (0, 1))
        assert done.returncode == 0, done.stderr[-2000:]
        expected = [[f"{file}-{row}" for file in files for row in range(2000)] for files in ((0, 2), (1, 3))]
        assert json.loads(done.stdout) == expected and server.broken[names[1]] == 0
        assert all(REVISION in path for path in server.asked if REPOSITORY in path)
        server.downloads.clear()
        done = _read_over_http(server, tmp_path / "home", (1,), data_files=2)  # of four files 0 and 2; part 1 has the second of them
        assert json.loads(done.stdout) == [expected[0][2000:]] and not server.downloads[names[3]]
        done = _read_over_http(server, tmp_path / "home", (0,), revision="f" * 40)
        assert done.returncode and "finished parts are kept" in done.stderr


@pytest.mark.parametrize(("count", "wanted", "expected"), [(7, None, [*range(7)]), (7, 3, [0, 2, 4]), (3, 7, [0, 1, 2]), (1, 1, [0])])
def test_some_data_files_are_spread_evenly(count: int, wanted: int | None, expected: list[int]) -> None:
    assert spread(count, wanted) == expected


def test_a_hub_data_set_without_revision_is_refused() -> None:
    with pytest.raises(ValueError, match="needs revision"):
        Source.model_validate({"name": "hub", "license": "x", "hub": {"dataset": "owner/name"}})


def test_licence_and_tier_of_each_row(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    extra: list[dict[str, str]] = [{"license": "MIT", "tier": "dirty"}, {"tier": "dirty"}, {"license": "MIT", "tier": "odd"}]
    path.write_text("".join(json.dumps({"text": "text", **more}) + "\n" for more in extra))
    source = Source.model_validate({"name": "s", "path": str(path), "tier": None})
    texts, bad = _read(source)
    assert len(texts) == 1 and [row.reason for row in bad] == ["no license", "tier 'odd' is neither clean nor dirty"]
    unit = Unit(source, (path,), 0, 1)
    made = document_of(unit, "a.jsonl", 1, {"text": "t", "license": "MIT", "tier": "dirty"})
    assert not isinstance(made, Rejected) and (made.metadata["license"], made.metadata["tier"]) == ("MIT", "dirty")


@pytest.mark.parametrize(("name", "content"), [(None, b""), ("a.doc", b"x")])
def test_a_missing_source_is_an_error(tmp_path: Path, name: str | None, content: bytes) -> None:
    if name:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match="source s"):
        _read(_source(tmp_path if name else tmp_path / "nothing"))
