"""The index stage: documents to Megatron `.bin/.idx`, one shard a tier and language, each document closed by end-of-text.

A shard is written under temporary names and renamed, `.idx` last, so a shard with its `.idx` is whole and is not made again after a kill.
"""

from collections.abc import Iterator
from itertools import batched
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from kishi.errors import ArtefactError, ParityError
from kishi.jsonl import read_rows, write_json
from kishi.progress import track
from kishi.special_tokens import END_OF_TEXT, SPECIAL_IDS
from recipes.job import Job

BATCH = 256


def run(job: Job) -> dict[str, Any]:
    """Write `{dirty,clean,heldout}/<lang>.{bin,idx}`, `blend.json` and `heldout.json`; facts are the counts."""
    tokenizer = _load_tokenizer(job.inputs["tokenizer"])
    data = job.inputs["data"]
    sources = sorted([*data.glob("corpus/*/*.jsonl.zst"), *data.glob("heldout/*.jsonl.zst")])
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for source in track(sources, "index"):
        tier, language = source.parent.name, source.name.removesuffix(".jsonl.zst")
        counts.setdefault(tier, {})[language] = build_shard(source, job.folder / tier / language, tokenizer)
    heldout = counts.pop("heldout", {})
    write_json(job.folder / "blend.json", {tier: _blend(tier, languages) for tier, languages in counts.items()})
    write_json(job.folder / "heldout.json", heldout)
    return {"train": counts, "heldout": heldout, "vocab_size": tokenizer.get_vocab_size()}


def _load_tokenizer(folder: Path) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    wrong = [token for token, number in SPECIAL_IDS.items() if tokenizer.token_to_id(token) != number]
    if wrong:
        raise ArtefactError(f"special tokens have other ids than Kishi's: {', '.join(wrong[:3])}", where=folder, fix="make tokenizer")
    return tokenizer


def _blend(tier: str, languages: dict[str, dict[str, int]]) -> dict[str, Any]:
    """Weights by tokens: the mix was made by bytes in the data stage, so nothing is seen more often than its share."""
    names = sorted(languages)
    return {"prefixes": [f"{tier}/{name}" for name in names], "weights": [languages[name]["tokens"] for name in names]}


def build_shard(source: Path, prefix: Path, tokenizer: Tokenizer) -> dict[str, int]:
    """Encode one file of documents; returns documents, tokens (with end-of-text) and UTF-8 bytes of text."""
    if not prefix.with_suffix(".idx").exists():
        _write_shard(source, prefix, tokenizer)
    return _check_shard(source, prefix, tokenizer)


def _write_shard(source: Path, prefix: Path, tokenizer: Tokenizer) -> None:
    import torch
    from megatron.core.datasets.indexed_dataset import DType, IndexedDatasetBuilder

    prefix.parent.mkdir(parents=True, exist_ok=True)
    partial = prefix.with_name(f".{prefix.name}")
    builder = IndexedDatasetBuilder(f"{partial}.bin", dtype=DType.optimal_dtype(tokenizer.get_vocab_size()))
    for ids in _encoded(source, tokenizer):
        builder.add_document(torch.tensor(ids), [len(ids)])
    builder.finalize(f"{partial}.idx")
    for ending in (".bin", ".idx"):
        Path(f"{partial}{ending}").replace(prefix.with_suffix(ending))


def _encoded(source: Path, tokenizer: Tokenizer) -> Iterator[list[int]]:
    """Token ids of each document. Text that spells a special token stays text: only we write control tokens."""
    tokenizer.encode_special_tokens = True
    for rows in batched(read_rows(source), BATCH):
        for encoding in tokenizer.encode_batch([row["text"] for row in rows], add_special_tokens=False):
            yield [*encoding.ids, SPECIAL_IDS[END_OF_TEXT]]


def _check_shard(source: Path, prefix: Path, tokenizer: Tokenizer) -> dict[str, int]:
    """Read the shard back as Megatron does: as many documents as the source, each closed, and the text comes out again."""
    from megatron.core.datasets.indexed_dataset import IndexedDataset

    dataset = IndexedDataset(str(prefix))
    documents = tokens = size = 0
    for number, row in enumerate(read_rows(source)):
        ids = dataset[number].tolist() if number < len(dataset) else []
        if not ids or ids[-1] != SPECIAL_IDS[END_OF_TEXT] or tokenizer.decode(ids[:-1], skip_special_tokens=False) != row["text"]:
            raise ParityError(f"document {number} ({row['id']}) does not come back from the index", where=prefix, fix="run the stage again")
        documents, tokens, size = documents + 1, tokens + len(ids), size + len(row["text"].encode("utf-8"))
    if documents != len(dataset):
        raise ArtefactError(
            f"{len(dataset)} documents, the corpus has {documents}", where=prefix, fix="delete the folder and run the stage again"
        )
    return {"documents": documents, "tokens": tokens, "bytes": size}
