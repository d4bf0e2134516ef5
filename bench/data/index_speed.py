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
from pathlib import Path
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep
from tokenizers import Tokenizer

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

    times: dict[str, list[float]] = {who: [0.0, 0.0] for who in ("ours", *THEIRS)}
    megatron = MegatronWay(tokenizer)
    for name in names:  # in turn, so that whatever else the machine does is in the time of all three
        ours = IndexShards([work / f"{name}.jsonl.zst"], [name], work / "ours", tokenizer, vocab_size)
        theirs = MegatronDocumentTokenizer(str(work / "datatrove" / name), "of", str(tokenizer / "tokenizer.json"), END_OF_TEXT)
        add(times["ours"], in_one_process, [ours], work / "tasks/ours" / name)
        add(times["megatron"], megatron.shard, work / f"{name}.jsonl", work / "megatron")
        add(times["datatrove"], in_one_process, [ReadPlain(work / f"{name}.jsonl"), theirs], work / "tasks/datatrove" / name)
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
        figures[THEIRS.get(who, who)] = {
            "cpu_seconds": round(cpu, 2),
            "seconds": round(clock, 2),
            "megabytes_a_cpu_second": round(total / cpu, 2),
        }
    for who, name in THEIRS.items():
        figures[f"times {name}"] = round(times[who][0] / times["ours"][0], 1)
    for who, name in THEIRS.items():
        pairs = [
            (work / f"ours/{name}.bin", next((work / who).glob(f"{name}.bin" if who == "megatron" else f"{name}/*.bin"))) for name in names
        ]
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


def in_one_process(pipeline: list[PipelineStep], folder: Path) -> None:
    """One task, through the executor."""
    run_steps([Step("index", pipeline, 1)], folder, load_hardware("cpu"), 1)


class ReadPlain(PipelineStep):  # type: ignore[misc]
    """Reads a shard for datatrove's tokenizer."""

    type, name = "bench", "read"

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def run(self, data: None = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """datatrove's interface."""
        for row in read_rows(self.path):
            yield Document(row["text"], row["id"])


class MegatronWay:
    """What `tools/preprocess_data.py` does with one worker: a document at a time; it is run once for each language's text.

    That is in its favour: the cache of tokenizers takes 10,000 words and is then full, of Kazakh ones if Kazakh comes first.
    """

    def __init__(self, tokenizer: Path) -> None:
        self._folder, self._language = tokenizer, ""
        self._tokenizer: Tokenizer | None = None

    def shard(self, source: Path, out: Path) -> None:
        """One file; a language's first loads the tokenizer."""
        import torch
        from megatron.core.datasets.indexed_dataset import DType, IndexedDatasetBuilder

        if source.name[:2] != self._language:
            self._language, self._tokenizer = source.name[:2], load_tokenizer(self._folder)
        tokenizer = self._tokenizer
        assert tokenizer is not None
        out.mkdir(exist_ok=True)
        builder = IndexedDatasetBuilder(f"{out / source.stem}.bin", dtype=DType.optimal_dtype(tokenizer.get_vocab_size()))
        with source.open(encoding="utf-8", newline="\n") as lines:
            for line in lines:
                ids = [*tokenizer.encode(json.loads(line)["text"], add_special_tokens=False).ids, SPECIAL_IDS[END_OF_TEXT]]
                builder.add_document(torch.tensor(ids), [len(ids)])
        builder.finalize(f"{out / source.stem}.idx")


def add(times: list[float], action: Callable[..., None], *arguments: Any) -> None:
    """Seconds of the processor and on the clock that the call takes."""
    cpu, clock = time.process_time(), time.monotonic()
    action(*arguments)
    times[0] += time.process_time() - cpu
    times[1] += time.monotonic() - clock


if __name__ == "__main__":
    main()
