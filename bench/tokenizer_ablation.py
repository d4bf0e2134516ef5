"""What each choice of the tokenizer does to its fertility: one thing changed at a time, on the same text.

    python -m bench.tokenizer_ablation --text DATA/pretrain --dev DATA/benchmarks --test DATA/heldout --out RECORD [--only NAME ...]

`--text` holds {kk,ru,en}.jsonl.zst with text, lang, source and tier; bench/tokenizer_texts.py says what is measured on. Rows that RECORD
holds already are kept: started again it goes on. SentencePiece is a comparison and runs only where it is installed.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from tokenizers import Tokenizer

from bench.record import write_record
from bench.tokenizer_texts import Texts, corpus, development, flores
from kishi.languages import LANGUAGES, Language
from recipes.schema_pretrain import Tokenizer as Defaults
from tokenizer.cut import cut
from tokenizer.encoder import Encoder, HuggingFace
from tokenizer.fertility import measure
from tokenizer.pattern import PATTERN
from tokenizer.peers import LLAMA3, O200K, QWEN2
from tokenizer.sample import plan
from tokenizer.train import train
from tokenizer.word_weights import Counts, count, weigh

SEED = 1234
VOCABULARY = 64_000
_DEFAULTS = Defaults(vocab_size=VOCABULARY)
console = Console(highlight=False, width=140)
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
    "pattern of Qwen2 (marks apart)": replace(SMALL, pattern=QWEN2),
    "pattern of Llama-3 (three digits)": replace(SMALL, pattern=LLAMA3),
    "pattern of GPT-4o (by case)": replace(SMALL, pattern=O200K),
    "8 MB": replace(SMALL, megabytes=8),
    "128 MB": replace(SMALL, megabytes=128),
}
NAMES = (*VARIANTS, "vocabulary", "SentencePiece bpe", "SentencePiece unigram")
CUTS = (32_000, 40_960, 49_152, 57_344, 64_000, 81_920)


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


def one(data: Path, name: str, sets: Mapping[str, Texts]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of one name; "vocabulary" gives one for each size."""
    if name == "vocabulary":
        yield from cuts(data, sets)
    elif name.startswith("SentencePiece"):
        try:
            yield name, sentencepiece(data, name.split()[1], sets)
        except ModuleNotFoundError:
            yield name, {"missing": "sentencepiece is not installed"}
    else:
        tokenizer, facts = learn(data, VARIANTS[name])
        yield name, {**facts, **figures(HuggingFace(name, tokenizer), sets)}


def held(table: Mapping[str, Any], name: str) -> bool:
    """Whether an earlier run has measured these rows."""
    expected = [f"vocabulary {size:,}" for size in CUTS] if name == "vocabulary" else [name]
    return all(row in table and "missing" not in table[row] for row in expected)


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
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, help="default: every row that RECORD lacks")
    arguments = parser.parse_args()
    sets = {"dev": development(arguments.dev), "flores": flores(arguments.test)}
    result = arguments.out / "result.json"
    table: dict[str, Any] = json.loads(result.read_bytes())["figures"] if result.is_file() else {}
    with tempfile.TemporaryDirectory() as folder:
        data = corpus(arguments.text, Path(folder))
        for name in arguments.only:
            for row_name, row in () if held(table, name) else one(data, name, sets):
                table[row_name] = row
                show(row_name, row)
                write_record(arguments.out, "tokenizer-ablation", table, seed=SEED)


if __name__ == "__main__":
    main()
