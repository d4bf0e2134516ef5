"""The index stage: documents to Megatron `.bin/.idx`, one pair a corpus shard, each document closed by end-of-text.

A shard is the unit of work: tasks of a datatrove pipeline, in processes here or on Slurm. It is written under temporary names and
renamed, `.idx` last and its counts after that, so a shard with counts is whole.
"""

import json
from collections import Counter, defaultdict
from itertools import batched
from pathlib import Path
from typing import Any

import numpy as np
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.tokens.megatron_tokenizer import MegatronTokenizedFile
from rich.console import Console

from data_prep import datasheet
from data_prep.document import size
from data_prep.encoder import EXACT, FAST, Encoder, encoder_of, load_tokenizer
from data_prep.epochs import epochs_per_source, warnings
from data_prep.executor import Step, run_steps
from kishi.errors import ArtefactError
from kishi.jsonl import read_rows, write_json
from recipes.job import Job

TIERS = {"heldout": "clean", "heldout-dirty": "dirty"}  # of held-out folders
BATCH = 256
# Documents compared with Hugging Face's tokenizers: the first ones of each process, the first of each shard, and every so many in it
CHECK_FIRST, CHECK_EVERY = 20, 500


def run(job: Job) -> dict[str, Any]:
    """Write `{dirty,clean}/<lang>-<shard>`, `heldout{,-dirty}/<lang>` (`.bin`, `.idx`), `blend.json`, `heldout.json`; facts: counts."""
    data, work = job.inputs["data"], (job.folder / ".work").absolute()
    vocab_size = load_tokenizer(job.inputs["tokenizer"]).get_vocab_size()
    sources = sorted([*data.glob("corpus/*/*.jsonl.zst"), *data.glob("heldout*/*.jsonl.zst")])
    names = [f"{path.parent.name}/{path.name.removesuffix('.jsonl.zst')}" for path in sources]
    if token_bytes(vocab_size) == 4:
        Console().print(f"{vocab_size:,} tokens: an id takes 4 bytes here, not 2")
    encoder_of.cache_clear()  # what an earlier run in this process found is of that run
    step = IndexShards([path.absolute() for path in sources], names, job.folder.absolute(), job.inputs["tokenizer"].absolute(), vocab_size)
    most = 1 if _small(sources) else len(sources)
    run_steps([Step("index", [step], len(sources))], work, job.hardware, most)
    if why := _distrusted(counts := all_counts(work, names)):
        step.distrusted = why
        run_steps([Step("index again", [step], len(sources))], work, job.hardware, most)
        counts = all_counts(work, names)
    _warn_about_encoder(counts)
    return _finish(job, counts, data, vocab_size)


def token_bytes(vocab_size: int) -> int:
    """Of one id in the `.bin` files: unsigned 16 bits where all ids fit, else signed 32. Megatron reads which from the `.idx`."""
    return 2 if vocab_size < 65_500 else 4


def _small(sources: list[Path]) -> bool:
    """Not worth starting processes for."""
    return sum(path.stat().st_size for path in sources) < 4e6


def _counts(work: Path, name: str) -> Path:
    return work / "counts" / f"{name.replace('/', '-')}.json"


def all_counts(work: Path, names: list[str]) -> dict[str, Any]:
    """What `IndexShards` counted, by shard."""
    return {name: json.loads(_counts(work, name).read_bytes()) for name in names}


def _distrusted(counts: dict[str, Any]) -> str:
    """Why shards that came from the fast encoder must be made again: in another shard it was caught with other ids."""
    fast = any(found["encoder"] == FAST for found in counts.values())
    return next((found["refused"] for found in counts.values() if found["refused"]), "") if fast else ""


def _finish(job: Job, counts: dict[str, Any], data: Path, vocab_size: int) -> dict[str, Any]:
    data_facts = json.loads((data / "statistics.json").read_bytes())
    shard_sources = data_facts["shard_sources"]
    rows: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    weights = {source.name: source.weight for source in job.recipe.data.sources}
    train: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    heldout, blend, by_source = dict[str, dict[str, Any]](), dict[str, Any](), dict[str, Counter[str]]()
    for name, found in counts.items():
        tier, _, shard = name.partition("/")
        numbers = {key: found[key] for key in ("documents", "tokens", "bytes")}
        if tier in TIERS:
            heldout.setdefault(TIERS[tier], {})[shard] = numbers
            continue
        language, _, rank = shard.partition("-")
        source = shard_sources[int(rank)]
        train[tier][language].update(numbers)
        for of, values in found["sources"].items():
            rows[tier, language, of].update(values)
        tier_blend = blend.setdefault(tier, {"prefixes": [], "weights": []})
        tier_blend["prefixes"].append(name)
        tier_blend["weights"].append(found["tokens"] * weights[source])  # an integer at weight 1 would also do: Megatron normalises
        by_source.setdefault(tier, Counter())[source] += found["tokens"]
    write_json(job.folder / "blend.json", blend)
    write_json(job.folder / "heldout.json", heldout)
    epochs = epochs_per_source(job.recipe, by_source)
    for line in warnings(epochs):
        Console().print(f"[yellow]{line}[/]")
    by_text = [{"tier": tier, "lang": lang, "source": of, **values} for (tier, lang, of), values in sorted(rows.items())]
    datasheet.write(job.folder / "datasheet.html", job.recipe, data_facts | {"tokens": by_text, "epochs": epochs, "heldout": heldout})
    encoders = Counter(found["encoder"] for found in counts.values())
    return {
        "train": {tier: {language: dict(values) for language, values in languages.items()} for tier, languages in train.items()},
        "heldout": heldout,
        "vocab_size": vocab_size,
        "token_bytes": token_bytes(vocab_size),
        "epochs": epochs,
        "sources": by_text,
        "encoder": {"shards": dict(encoders), "documents_checked": sum(found["checked"] for found in counts.values())},
    }


def _warn_about_encoder(counts: dict[str, Any]) -> None:
    refused = Counter(found["refused"] for found in counts.values() if found["refused"])
    for why, shards in refused.items():
        style = "yellow" if why == "not installed" else "bold red"
        Console().print(f"[{style}]{shards} of {len(counts)} shards were encoded by Hugging Face's tokenizers, slowly: fastokens {why}[/]")


class IndexShards(PipelineStep):  # type: ignore[misc]
    """Task n encodes file n; with `distrusted` only when the fast encoder made what is there."""

    type, name = "data_prep", "index"

    def __init__(self, sources: list[Path], names: list[str], folder: Path, tokenizer: Path, vocab_size: int) -> None:
        super().__init__()
        self.sources, self.names, self.folder, self.tokenizer = sources, names, folder, tokenizer
        self.token_bytes = token_bytes(vocab_size)
        self.distrusted = ""

    def run(self, data: None = None, rank: int = 0, world_size: int = 1) -> None:
        """datatrove's interface."""
        source, name, encoder = self.sources[rank], self.names[rank], encoder_of(self.tokenizer)
        prefix, notes = self.folder / name, _counts(self.folder / ".work", name)
        if self.distrusted:
            if json.loads(notes.read_bytes())["encoder"] == EXACT:
                return
            encoder.give_up_fast(self.distrusted)
        counts = self._build(source, prefix, encoder) or self._build(source, prefix, encoder)
        assert counts is not None  # the exact encoder agrees with itself
        _check_shard(prefix, counts, self.token_bytes, encoder.end_of_text)
        write_json(notes, counts | {"encoder": encoder.name, "refused": encoder.refused})

    def _build(self, source: Path, prefix: Path, encoder: Encoder) -> dict[str, Any] | None:
        """The shard's counts; None when the fast encoder was caught with other ids and the shard has to be made again."""
        prefix.parent.mkdir(parents=True, exist_ok=True)
        partial = f".{prefix.name}"
        file = MegatronTokenizedFile(str(prefix.parent), partial, token_size=self.token_bytes)
        documents, checked_before = 0, encoder.checked
        by_source: dict[str, dict[str, int]] = defaultdict(lambda: {"documents": 0, "tokens": 0, "bytes": 0})
        for rows in batched(read_rows(source), BATCH):
            ids, places = encoder.encode([row["text"] for row in rows])
            for number, row in enumerate(rows, documents):
                sampled = number % CHECK_EVERY == 0 or encoder.checked < CHECK_FIRST
                if sampled and not encoder.agrees(row["text"], ids[places[number - documents] : places[number - documents + 1]]):
                    file.close()
                    encoder.give_up_fast(f"gave other ids for document {number} ({row['id']}) of {source.name}")
                    return None
            _write(file, ids, places, encoder.end_of_text)
            documents += len(rows)
            for row, length in zip(rows, np.diff(places).tolist(), strict=True):
                found = by_source[row["source"]]
                found["documents"] += 1
                found["tokens"] += length + 1
                found["bytes"] += size(row["text"])
        file.close()
        for ending in (".bin", ".idx"):
            prefix.with_name(f"{partial}{ending}").replace(prefix.with_name(f"{prefix.name}{ending}"))
        whole = {name: sum(found[name] for found in by_source.values()) for name in ("documents", "tokens", "bytes")}
        return whole | {"checked": encoder.checked - checked_before, "sources": by_source}


def _write(file: MegatronTokenizedFile, ids: np.ndarray, places: np.ndarray, end_of_text: int) -> None:
    """What its `write` does for each document, for many at once, and end-of-text after each."""
    count = len(places) - 1
    closed = np.full(len(ids) + count, end_of_text, dtype=file.token_dtype)
    inside = np.ones(len(closed), dtype=bool)
    inside[places[1:] + np.arange(count)] = False
    closed[inside] = ids
    file.bin_file.write(closed.tobytes())
    before = len(file.sequence_lengths)
    file.sequence_lengths.extend((np.diff(places) + 1).tolist())
    file.document_indices.extend(range(before + 1, before + count + 1))


def _check_shard(prefix: Path, counts: dict[str, Any], token_bytes: int, end_of_text: int) -> None:
    """The files on disk hold these counts, and each document ends in end-of-text. Raises ArtefactError."""
    raw = np.fromfile(prefix.with_name(f"{prefix.name}.idx"), dtype=np.uint8)
    documents = int(raw[18:26].view("<u8")[0])  # after magic (9), version (8) and type (1)
    lengths = raw[34 : 34 + 4 * documents].view("<i4")
    tokens = np.memmap(prefix.with_name(f"{prefix.name}.bin"), dtype=np.uint16 if token_bytes == 2 else np.int32, mode="r")
    whole = documents == counts["documents"] and len(tokens) == counts["tokens"] == int(lengths.sum(dtype=np.int64))
    if not whole or not (tokens[np.cumsum(lengths, dtype=np.int64) - 1] == end_of_text).all():
        raise ArtefactError(f"the files hold other counts than {counts}", where=prefix, fix="delete the folder and run the stage again")
