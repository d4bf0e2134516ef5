"""The whole index stage's work on one core: ours, Megatron-LM's way and datatrove's MegatronDocumentTokenizer, on the same real text.

    python -m bench.data.index_speed FOLDER TOKENIZER --out RECORD [--shard-megabytes 12]

FOLDER holds {kk,ru,en}.jsonl.zst, each document of which is taken once; TOKENIZER is a folder with tokenizer.json. Each of the three
goes from shards on disk to `.bin/.idx` on disk in this process: reading, loading tokenizers, encoding, writing; ours also compares its
sample with Hugging Face's tokenizers, counts and checks its files, and starts each shard as a task of the executor.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from bench.record import write_record
from data_prep.document import size
from data_prep.encoder import load_tokenizer
from data_prep.executor import Step, run_steps
from data_prep.index import IndexShards, all_counts
from kishi.jsonl import Row, read_rows, write_rows
from kishi.special_tokens import END_OF_TEXT, SPECIAL_IDS
from recipes.loading import load_hardware

LANGUAGES = ("kk", "ru", "en")
THEIRS = {"megatron": "Megatron-LM's way", "datatrove": "datatrove's MegatronDocumentTokenizer"}


def main() -> None:
    """Measure, print, write `result.json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shard-megabytes", type=float, default=12)
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # before any library counts cores
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(options.folder, options.tokenizer, options.shard_megabytes, Path(folder))
    write_record(options.out, "index speed", figures)
    print(json.dumps(figures, indent=2))


def measure(folder: Path, tokenizer: Path, shard_megabytes: float, work: Path) -> dict[str, Any]:
    """Seconds and MB a second of each, and whether the files are the same."""
    names = write_shards(folder, work, shard_megabytes * 1e6)
    vocab_size = load_tokenizer(tokenizer).get_vocab_size()
    import torch  # noqa: F401  (imports are in the time of none of them)
    from datatrove.pipeline.tokens import MegatronDocumentTokenizer
    from megatron.core.datasets import indexed_dataset  # noqa: F401

    ours = IndexShards([work / f"{name}.jsonl.zst" for name in names], names, work / "ours", tokenizer, vocab_size)
    theirs = MegatronDocumentTokenizer(str(work / "datatrove"), "of", str(tokenizer / "tokenizer.json"), END_OF_TEXT)
    times = {
        "ours": seconds(lambda: in_one_process([ours], len(names), work / "ours")),
        "megatron": seconds(lambda: megatron_way([work / f"{name}.jsonl" for name in names], tokenizer, work / "megatron")),
        "datatrove": seconds(lambda: in_one_process([ReadPlain(work, names), theirs], len(names), work / "datatrove")),
    }
    counts = all_counts(work / "ours" / ".work", names)
    total = sum(found["bytes"] for found in counts.values()) / 1e6
    figures: dict[str, Any] = {
        "text, MB": round(total, 1),
        "documents": sum(found["documents"] for found in counts.values()),
        "tokens": sum(found["tokens"] for found in counts.values()),
        "shards": len(names),
        "vocabulary": vocab_size,
        "encoders": sorted({found["encoder"] for found in counts.values()}),
        "documents compared with tokenizers": sum(found["checked"] for found in counts.values()),
    }
    for who, (cpu, clock) in times.items():
        figures[THEIRS.get(who, who)] = {"cpu_seconds": cpu, "seconds": clock, "megabytes_a_cpu_second": round(total / cpu, 2)}
    for who, name in THEIRS.items():
        figures[f"times {name}"] = round(times[who][0] / times["ours"][0], 1)
    for who, name in THEIRS.items():
        pairs = [(work / f"ours/{shard}.bin", _their_bin(work / who, rank, shard)) for rank, shard in enumerate(names)]
        figures[f"same .bin as {name}"] = all(one.read_bytes() == other.read_bytes() for one, other in pairs)
    return figures


def write_shards(folder: Path, work: Path, limit: float) -> list[str]:
    """Each language's documents in shards of about `limit` bytes of text, zstd for ours and plain for the others. Names of the shards."""
    names = list[str]()
    for language in LANGUAGES:
        rows = read_rows(folder / f"{language}.jsonl.zst")
        while shard := list(_up_to(rows, limit)):
            names.append(f"{language}-{len(names):05d}")
            for ending in (".jsonl.zst", ".jsonl"):
                write_rows(work / f"{names[-1]}{ending}", shard)
    return names


def _up_to(rows: Iterator[Row], limit: float) -> Iterator[Row]:
    while limit > 0 and (row := next(rows, None)):
        limit -= size(row["text"])
        yield row


def in_one_process(pipeline: list[PipelineStep], tasks: int, folder: Path) -> None:
    """Through the executor, task after task."""
    run_steps([Step("index", pipeline, tasks)], folder / ".work", load_hardware("cpu"), 1)


class ReadPlain(PipelineStep):  # type: ignore[misc]
    """Task n reads file n."""

    type, name = "bench", "read"

    def __init__(self, work: Path, names: list[str]) -> None:
        super().__init__()
        self.work, self.names = work, names

    def run(self, data: None = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """datatrove's interface."""
        for row in read_rows(self.work / f"{self.names[rank]}.jsonl"):
            yield Document(row["text"], row["id"])


def megatron_way(sources: list[Path], folder: Path, out: Path) -> None:
    """What `tools/preprocess_data.py` does with one worker: a document at a time, one tokenizer for all files."""
    import torch
    from megatron.core.datasets.indexed_dataset import DType, IndexedDatasetBuilder

    tokenizer = load_tokenizer(folder)
    out.mkdir()
    for source in sources:
        prefix = out / source.stem
        builder = IndexedDatasetBuilder(f"{prefix}.bin", dtype=DType.optimal_dtype(tokenizer.get_vocab_size()))
        with source.open(encoding="utf-8", newline="\n") as lines:
            for line in lines:
                ids = [*tokenizer.encode(json.loads(line)["text"], add_special_tokens=False).ids, SPECIAL_IDS[END_OF_TEXT]]
                builder.add_document(torch.tensor(ids), [len(ids)])
        builder.finalize(f"{prefix}.idx")


def _their_bin(folder: Path, rank: int, shard: str) -> Path:
    named = folder / f"{shard}.bin"
    return named if named.exists() else next(islice(folder.glob(f"*{rank:05d}*.bin"), 1))


def seconds(action: Callable[[], None]) -> tuple[float, float]:
    """Of the processor and on the clock."""
    cpu, clock = time.process_time(), time.monotonic()
    action()
    return round(time.process_time() - cpu, 2), round(time.monotonic() - clock, 2)


if __name__ == "__main__":
    main()
