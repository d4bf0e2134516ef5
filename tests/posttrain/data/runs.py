"""The stage run on small sources, and what it wrote."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kishi.jsonl import Row, read_rows, write_json, write_rows
from posttrain.data.prepare import run
from recipes.job import Job
from recipes.loading import load_hardware, load_recipe

SIDES = ("train", "heldout")


def make_data(folder: Path) -> Path:
    """What is read of the data stage: texts of culture as its clean corpus; held out a document, and what `sft-003` sums up."""
    rows = list(read_rows(Path("data/sample/corpus/culture.jsonl")))
    summed_up = list(read_rows(Path("data/sample/sft.jsonl")))[2]["messages"][1]["content"]
    write_rows(folder / "heldout" / "kk.jsonl.zst", [{"id": "h", "text": text} for text in (rows[0]["text"], summed_up)])
    (folder / "heldout-dirty").mkdir(parents=True, exist_ok=True)
    kept = [{**row, "source": "sample", "license": "Apache-2.0", "text": f"{row['title']}\n\n{row['text']}"} for row in rows[3:]]
    for language in ("kk", "ru", "en"):
        own = [{key: row[key] for key in ("id", "text", "lang", "source", "license")} for row in kept if row["lang"] == language]
        write_rows(folder / "corpus" / "clean" / f"{language}-00000.jsonl.zst", own)
    write_json(folder / "statistics.json", {"shard_sources": ["sample"]})
    return folder


def job(folder: Path, data: Path, sources: Sequence[Row] | None = None, **chat: Any) -> Job:
    """A job of kishi-tiny with other sources and settings of `chat`."""
    sets = ["eval.chat=null"]  # the sample's translations serve as a source here
    sets += [f"chat.{key}={json.dumps(value, ensure_ascii=False)}" for key, value in chat.items()]
    if sources is not None:
        sets.append(f"chat.sources={json.dumps(list(sources), ensure_ascii=False)}")
    folder.mkdir(parents=True, exist_ok=True)
    return Job(load_recipe(Path("recipes/kishi-tiny.yaml"), sets), load_hardware("cpu"), folder, {"data": data})


def written(folder: Path, kind: str) -> dict[str, list[Row]]:
    """Rows of both sides."""
    return {side: list(read_rows(folder / kind / f"{side}.jsonl")) for side in SIDES}


def digests(folder: Path) -> dict[str, str]:
    """Of all files."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def conversation(name: str, question: str, answer: str, **more: Any) -> Row:
    """A row of kind sft."""
    return {"id": name, "messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}], **more}


__all__ = ["conversation", "digests", "job", "make_data", "run", "written"]
