"""The figures of docs/tokenizer.md, drawn from the committed records.

python -m bench.tokenizer_figures
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.record import RECORDS
from kishi.languages import LANGUAGES
from kishi.plot import bars, boxes, lines

FIGURES = Path("docs/figures")
_STEPS = ("plain BPE", "counts ** 1", "domains ** 1", "chosen")
_NAMES = {"counts ** 1": "no dampening", "domains ** 1": "no balance of domains"}
_PATTERNS = ("chosen", "pattern of Qwen2 (marks apart)", "pattern of Llama-3 (three digits)", "pattern of GPT-4o (by case)")


def newest(records: Path, name: str) -> dict[str, Any]:
    """Figures of the latest record of that name."""
    path = sorted(records.glob(f"*-{name}"))[-1] / "result.json"
    figures: dict[str, Any] = json.loads(path.read_bytes())["figures"]
    return figures


def _per_word(languages: dict[str, Any]) -> list[float | None]:
    return [languages[language]["tokens_per_word"] for language in LANGUAGES]


def _merges(example: dict[str, Any]) -> str:
    """The letters of a word, and what stands there after each merge."""
    steps = example["merge_steps"]
    labels = ["letters", *(f"merge {number}" for number in range(1, len(steps)))]
    rows = {label: [(part, 1) for part in step] for label, step in zip(labels, steps, strict=True)}
    return boxes("How merges put a word together", rows)


def _cuts(example: dict[str, Any]) -> str:
    """The same word by every tokenizer."""
    rows = {name: [(text, tokens) for text, tokens in row] for name, row in example["cut"].items()}
    return boxes("One word, cut by each tokenizer", rows)


def _speed(decode: dict[str, Any]) -> str:
    rows: dict[str, list[float | None]] = {name: [row["words_per_second"]] for name, row in decode.items()}
    return bars("Kazakh words a second on one CPU core", rows, ["words a second"])


def _rows(expansion: dict[str, Any]) -> str:
    curves = {name: [(float(step), value) for step, value in row.items()] for name, row in expansion["means"].items()}
    return lines("Bits per byte of Kazakh, training on after the expansion", curves, "steps")


def _bars(title: str, rows: dict[str, Any], names: Iterable[str]) -> str:
    return bars(title, {_NAMES.get(name, name): _per_word(rows[name]["flores"]) for name in names}, LANGUAGES)


def draw(records: Path, folder: Path) -> list[Path]:
    """Write the files and name them."""
    fertility, ablation = newest(records, "tokenizer-fertility"), newest(records, "tokenizer-ablation")
    example = fertility["example"]
    sizes = {int(name.split()[1].replace(",", "")): row for name, row in ablation.items() if name.startswith("vocabulary ")}
    by_size: dict[str, list[tuple[float, float]]] = {
        language: [(float(size), row["flores"][language]["tokens_per_word"]) for size, row in sorted(sizes.items())]
        for language in LANGUAGES
    }
    peers = {name: _per_word(row["languages"]) for name, row in fertility["tokenizers"].items() if "tiktoken" not in name}
    pictures = {
        "tokenizer-peers.svg": bars("Tokens per word on FLORES", peers, LANGUAGES),
        "tokenizer-steps.svg": _bars("What each choice does: tokens per word on FLORES", ablation, _STEPS),
        "tokenizer-mix.svg": _bars(
            "The mix kk/ru/en: tokens per word on FLORES", ablation, [n for n in ablation if n.startswith("mix")] + ["chosen"]
        ),
        "tokenizer-merges.svg": _merges(example),
        "tokenizer-word.svg": _cuts(example),
        "tokenizer-pattern.svg": _bars("The pattern: tokens per word on FLORES", ablation, _PATTERNS),
        "tokenizer-speed.svg": _speed(newest(records, "decode")),
        "tokenizer-rows.svg": _rows(newest(records, "expansion")),
        "tokenizer-vocabulary.svg": lines("Tokens per word on FLORES, by size of the vocabulary", by_size, "tokens in the vocabulary"),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        (folder / name).write_text(picture, encoding="utf-8")
    return [folder / name for name in pictures]


if __name__ == "__main__":
    draw(RECORDS, FIGURES)
