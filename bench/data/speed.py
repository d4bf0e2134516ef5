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
from typing import Any

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
from kishi.jsonl import write_json, write_rows
from kishi.special_tokens import END_OF_TEXT, SPECIAL_IDS
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
        figures |= near_duplicates(documents, work) | indexing(documents, options.tokenizer, work)
    result = {
        "name": "data preparation speed",
        "device": device(),
        "commit": commit(),
        "command": command("bench.data.speed"),
        "figures": figures,
    }
    write_json(options.out / "result.json", result)
    print(json.dumps(figures, indent=2))


def cleaning(folder: Path, megabytes: float, work: Path) -> tuple[list[Document], dict[str, float]]:
    """Each cleaning step alone: name -> MB a CPU second."""
    recipe = load_recipe(Path("recipes/kishi-local.yaml"), (f"data.folder={folder}", "data.shard_megabytes=1000"))
    units, figures = plan(recipe.data), dict[str, float]()
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
    list(steps[1].run(documents[:1]))  # heliport loads its model once
    for step in steps:
        whole, began = sum(size(document.text) for document in documents), time.process_time()
        documents = list(step.run(documents))
        figures[step.name] = round(whole / 1e6 / (time.process_time() - began), 2)
    return documents, figures


def near_duplicates(documents: list[Document], work: Path) -> dict[str, float]:
    """MinHash signatures: ours, and datatrove's class as it comes with the same words and number of hashes."""
    from datatrove.pipeline.dedup import MinhashDedupSignature
    from datatrove.utils.hashing import HashConfig

    plain = config(1)
    plain.hash_config = HashConfig(precision=32, hash_fc="sha1")  # its xxhash takes text, which xxhash 4 refuses
    peer = MinhashDedupSignature(str(work / "peer"), plain, Words())
    return {
        "minhash": rate(documents, seconds(lambda: Signatures(work, 1).run(documents))),
        "minhash, datatrove's class with sha1": rate(documents, seconds(lambda: peer.run(documents))),
    }


def indexing(documents: list[Document], tokenizer: Path, work: Path) -> dict[str, Any]:
    """Our index; Megatron-LM's way (tokenizers, one document at a time, IndexedDatasetBuilder); datatrove's MegatronDocumentTokenizer."""
    from datatrove.pipeline.tokens import MegatronDocumentTokenizer

    source = work / "all.jsonl.zst"
    write_rows(source, ({"id": document.id, "text": document.text} for document in documents))
    vocab_size = load_tokenizer(tokenizer).get_vocab_size()
    ours = IndexShards([source], ["ours"], work, tokenizer, vocab_size)
    theirs = MegatronDocumentTokenizer(str(work), "datatrove", str(tokenizer / "tokenizer.json"), END_OF_TEXT)
    import torch  # noqa: F401  (not in the time of any of them)
    from megatron.core.datasets import indexed_dataset  # noqa: F401

    figures: dict[str, Any] = {
        "encoder": Encoder(tokenizer).name,
        "index": rate(documents, seconds(lambda: ours.run(None))),
        "index, Megatron-LM's way": rate(documents, seconds(lambda: megatron_way(documents, tokenizer, work / "megatron"))),
        "index, datatrove's MegatronDocumentTokenizer": rate(documents, seconds(lambda: theirs.run(iter(documents)))),
    }
    figures["same .bin as Megatron-LM's way"] = (work / "ours.bin").read_bytes() == (work / "megatron.bin").read_bytes()
    return figures


def megatron_way(documents: Iterable[Document], folder: Path, prefix: Path) -> None:
    """What `tools/preprocess_data.py` does with one worker."""
    import torch
    from megatron.core.datasets.indexed_dataset import DType, IndexedDatasetBuilder

    tokenizer = load_tokenizer(folder)
    builder = IndexedDatasetBuilder(f"{prefix}.bin", dtype=DType.optimal_dtype(tokenizer.get_vocab_size()))
    for document in documents:
        ids = [*tokenizer.encode(document.text, add_special_tokens=False).ids, SPECIAL_IDS[END_OF_TEXT]]
        builder.add_document(torch.tensor(ids), [len(ids)])
    builder.finalize(f"{prefix}.idx")


def seconds(action: Callable[[], Any]) -> float:
    """CPU time; an action that gives an iterator is drained."""
    began = time.process_time()
    for _ in action() or ():
        pass
    return time.process_time() - began


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
