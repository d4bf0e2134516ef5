"""The figures of docs/tokenizer.md, drawn from the committed records.

python -m bench.tokenizer_figures
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.record import RECORDS
from kishi.languages import LANGUAGES
from tokenizer.plot import bars, lines

FIGURES = Path("docs/figures")
_STEPS = ("plain BPE", "counts ** 1", "domains ** 1", "chosen")


def newest(records: Path, name: str) -> dict[str, Any]:
    """Figures of the latest record of that name."""
    path = sorted(records.glob(f"*-{name}"))[-1] / "result.json"
    figures: dict[str, Any] = json.loads(path.read_bytes())["figures"]
    return figures


def _per_word(languages: dict[str, Any]) -> list[float | None]:
    return [languages[language]["tokens_per_word"] for language in LANGUAGES]


def _bars(title: str, rows: dict[str, Any], names: Iterable[str]) -> str:
    return bars(title, {name: _per_word(rows[name]["flores"]) for name in names if name in rows}, LANGUAGES)


def draw(records: Path, folder: Path) -> list[Path]:
    """Write the files and name them."""
    fertility, ablation = newest(records, "tokenizer-fertility"), newest(records, "tokenizer-ablation")
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
        "tokenizer-vocabulary.svg": lines("Tokens per word on FLORES, by size of the vocabulary", by_size, "tokens in the vocabulary"),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        (folder / name).write_text(picture, encoding="utf-8")
    return [folder / name for name in pictures]


if __name__ == "__main__":
    draw(RECORDS, FIGURES)
