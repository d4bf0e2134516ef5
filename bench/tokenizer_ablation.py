"""What each choice of the tokenizer does to its fertility: one thing changed at a time, on the same text.

    python -m bench.tokenizer_ablation --text DATA/pretrain --dev DATA/benchmarks --test DATA/heldout --out RECORD

`--text` holds {kk,ru,en}.jsonl.zst with text, lang, source and tier. Choices are made on the development set (Wikipedia passages of KazQAD
and XQuAD); FLORES is only reported. SentencePiece is a comparison and runs only where it is installed.
"""

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from tokenizers import Tokenizer

from bench.record import write_record
from kishi.jsonl import read_rows, write_rows
from kishi.languages import LANGUAGES, Language
from recipes.schema import Tokenizer as Defaults
from tokenizer.cut import cut
from tokenizer.encoder import Encoder, HuggingFace
from tokenizer.fertility import measure
from tokenizer.pattern import PATTERN
from tokenizer.peers import LLAMA3, O200K
from tokenizer.sample import plan
from tokenizer.train import train
from tokenizer.word_weights import Counts, count, weigh

SEED = 1234
VOCABULARY = 64_000
_DEFAULTS = Defaults(vocab_size=VOCABULARY)
console = Console(highlight=False, width=140)
Texts = Mapping[str, Sequence[str]]
_counted: dict[Any, Counts] = {}


@dataclass(frozen=True)
class Variant:
    """The settings of one tokenizer; the defaults are the recipe's."""

    mix: tuple[float, float, float] = tuple(_DEFAULTS.mix[language] for language in LANGUAGES)  # type: ignore[assignment]
    megabytes: float = _DEFAULTS.sample_megabytes
    count_power: float = _DEFAULTS.count_power
    domain_power: float = _DEFAULTS.domain_power
    pattern: str = PATTERN
    vocabulary: int = VOCABULARY

    @property
    def shares(self) -> dict[Language, float]:
        """The mix by language."""
        return dict(zip(LANGUAGES, self.mix, strict=True))


CHOSEN = Variant()  # as the recipe has it
SMALL = replace(CHOSEN, megabytes=32)  # what one thing at a time is changed in: quick, and close enough to see the order
VARIANTS: dict[str, Variant] = {
    "chosen": SMALL,
    "mix 34/33/33": replace(SMALL, mix=(0.34, 0.33, 0.33)),
    "mix 50/25/25": replace(SMALL, mix=(0.5, 0.25, 0.25)),
    "mix 70/15/15": replace(SMALL, mix=(0.7, 0.15, 0.15)),
    "counts ** 1": replace(SMALL, count_power=1),
    "domains ** 1": replace(SMALL, domain_power=1),
    "plain BPE": replace(SMALL, count_power=1, domain_power=1),
    "8 MB": replace(SMALL, megabytes=8),
    "pattern of Llama-3 (three digits)": replace(SMALL, pattern=LLAMA3),
    "pattern of GPT-4o (by case)": replace(SMALL, pattern=O200K),
    "128 MB": replace(SMALL, megabytes=128),
}
CUTS = (32_000, 40_960, 49_152, 57_344, 64_000, 81_920, 98_304)


def corpus(text: Path, folder: Path) -> Path:
    """The files as the data stage would lay them out, the origin of each line as its domain."""
    for language in LANGUAGES:
        tiers: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in read_rows(text / f"{language}.jsonl.zst"):
            tiers[row["tier"]].append({"id": row["id"], "text": row["text"], "source": row["source"]})
        for tier, rows in tiers.items():
            write_rows(folder / "corpus" / tier / f"{language}.jsonl.zst", rows)
    return folder


def development(folder: Path) -> Texts:
    """Passages of the reading comprehension sets, each once."""
    passages: dict[str, set[str]] = {language: set() for language in LANGUAGES}
    for name in ("kazqad_val_kk", "xquad_en_ru"):
        for row in read_rows(folder / f"{name}.jsonl.zst"):
            passages[row["lang"]].add(row["context"])
    return {language: sorted(texts) for language, texts in passages.items()}


def flores(folder: Path) -> Texts:
    """Sentences that mean the same in each language."""
    rows = {language: read_rows(folder / f"{language}.jsonl.zst") for language in LANGUAGES}
    return {language: [row["text"] for row in found if row["id"].startswith("flores")] for language, found in rows.items()}


def learn(data: Path, variant: Variant) -> tuple[Tokenizer, dict[str, Any]]:
    """Train it; the facts are bytes read and seconds."""
    begin = time.monotonic()
    sample = plan(data, variant.shares, variant.megabytes, variant.domain_power, SEED)
    key = (tuple(sorted(sample.limits.items())), variant.pattern)
    if key not in _counted:
        _counted.clear()  # one sample's words fit into memory, all do not
        _counted[key] = count(sample.texts(), variant.pattern)
    weights = weigh(_counted[key], variant.shares, variant.count_power, variant.domain_power)
    tokenizer = train(weights, variant.vocabulary, min_frequency=2, pattern=variant.pattern)
    return tokenizer, {"sample_megabytes": round(sample.bytes / 1e6, 1), "seconds": round(time.monotonic() - begin, 1)}


def figures(encoder: Encoder, sets: Mapping[str, Texts]) -> dict[str, Any]:
    """Per set and language, with the parity of Kazakh on the parallel one."""
    return {name: measure(encoder, texts) for name, texts in sets.items()}


def sentencepiece(data: Path, kind: str, sets: Mapping[str, Texts]) -> dict[str, Any]:
    """SentencePiece of the same size on a sample in the same mix; identity normalisation, byte fallback, single digits."""
    import sentencepiece as spm

    begin = time.monotonic()
    sample = plan(data, SMALL.shares, SMALL.megabytes, 1.0, SEED)
    with tempfile.TemporaryDirectory() as folder:
        spm.SentencePieceTrainer.train(
            sentence_iterator=(line for _, text in sample.texts() for line in text.split("\n") if line),
            model_prefix=f"{folder}/model",
            vocab_size=VOCABULARY,
            model_type=kind,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            byte_fallback=True,
            split_digits=True,
            max_sentence_length=100_000,
            num_threads=os.cpu_count(),
            minloglevel=2,
        )
        processor = spm.SentencePieceProcessor(model_file=f"{folder}/model.model")
    row: dict[str, Any] = {"seconds": round(time.monotonic() - begin, 1)}
    for name, texts in sets.items():
        row[name] = {language: {"tokens_per_word": _per_word(processor.encode, documents)} for language, documents in texts.items()}
    return row


def _per_word(encode: Callable[[list[str]], list[list[int]]], documents: Sequence[str]) -> float:
    return round(sum(map(len, encode(list(documents)))) / sum(len(text.split()) for text in documents), 4)


def rows(data: Path, sets: Mapping[str, Texts]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every variant's figures as soon as they are known."""
    for name, variant in VARIANTS.items():
        tokenizer, facts = learn(data, variant)
        yield name, {**facts, **figures(HuggingFace(name, tokenizer), sets)}
        if name == "plain BPE":
            yield from cuts(data, sets)
    for kind in ("bpe", "unigram"):
        try:
            yield f"SentencePiece {kind}", sentencepiece(data, kind, sets)
        except ModuleNotFoundError:
            yield f"SentencePiece {kind}", {"missing": "sentencepiece is not installed"}


def cuts(data: Path, sets: Mapping[str, Texts]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Vocabularies of several sizes from one training."""
    largest, facts = learn(data, replace(SMALL, vocabulary=max(CUTS)))
    for size in CUTS:
        yield f"vocabulary {size:,}", {**facts, **figures(HuggingFace("cut", cut(largest, size)), sets)}


def show(name: str, row: Mapping[str, Any]) -> None:
    """One line of progress."""
    parts = [
        f"{part} {language} {row[part][language]['tokens_per_word']:.3f}"
        for part in ("dev", "flores")
        if part in row
        for language in LANGUAGES
    ]
    console.print(f"{name:36} {'  '.join(parts) or row.get('missing', '')}")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="ablation of the tokenizer")
    for name in ("text", "dev", "test", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    sets = {"dev": development(arguments.dev), "flores": flores(arguments.test)}
    table: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = corpus(arguments.text, Path(folder))
        for name, row in rows(data, sets):
            table[name] = row
            show(name, row)
            write_record(arguments.out, "tokenizer-ablation", table, seed=SEED)


if __name__ == "__main__":
    main()
