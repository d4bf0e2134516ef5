"""One tokenizer beside those of well-known models: a table, `comparison.json`, a chart and a page that colours the tokens.

    python -m tokenizer.compare runs/kishi-tiny/tokenizer --texts runs/kishi-tiny/data/heldout --out runs/kishi-tiny/fertility

`--texts` holds {kk,ru,en}.jsonl(.zst) with `text`. The columns kk/en and ru/en mean something only where these are translations of each
other (FLORES, or the demo's sample); they stay empty where the numbers of texts differ. What a Kazakh word costs is given for the model of
`--recipe`. The report shows what is written here.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from kishi.command import command
from kishi.errors import DataError
from kishi.hard_texts import hard_texts
from kishi.jsonl import read_rows, write_json
from kishi.languages import LANGUAGES
from kishi.manifest import sha256_file
from kishi.progress import track
from recipes.base import shape as shape_of
from recipes.loading import load_recipe
from recipes.schema_pretrain import Model
from tokenizer.encoder import Encoder, HuggingFace, with_tiktoken
from tokenizer.fertility import check_same_ids, exact_round_trips, flops_per_token, measure, megabytes_per_second
from tokenizer.page import side_by_side, write_page
from tokenizer.peers import load_peers, load_tokenizer, package_versions
from tokenizer.plot import bars

RECIPE = Path("recipes/kishi-350m.yaml")  # whose model a word's cost is given for, unless another is named
AGAINST = "Qwen2.5/Qwen3"  # the other side of the coloured page, unless another is named
CONTEXT = 1024  # tokens that attention looks back on
_CHARACTERS = 400_000  # of each language, for speed
_SHOWN = 400  # characters of each coloured text, unless one is given
console = Console(highlight=False, width=150)


def read_texts(folder: Path) -> dict[str, list[str]]:
    """Texts per language. Raises DataError when there are none."""
    found: dict[str, list[str]] = {}
    for language in LANGUAGES:
        paths = [path for path in (folder / f"{language}.jsonl.zst", folder / f"{language}.jsonl") if path.is_file()]
        if paths:
            found[language] = [row["text"] for row in read_rows(paths[0])]
    if not found:
        raise DataError("no kk, ru or en .jsonl(.zst)", where=folder, fix="give the folder of held-out texts with --texts")
    return found


def compare(encoders: Sequence[Encoder], texts: Mapping[str, Sequence[str]], shape: Model) -> dict[str, Any]:
    """The figures of each tokenizer by name; `shape` is the model that a word's cost is given for."""
    hard = hard_texts(random_texts=200)
    sample = [text for documents in texts.values() for text in _first(documents, _CHARACTERS)]
    rows: dict[str, Any] = {}
    for encoder in track(encoders, "measuring"):
        languages = measure(encoder, texts)
        flops = flops_per_token(shape, encoder.vocab_size, CONTEXT)
        for row in languages.values():
            row["gigaflops_per_word"] = round(row["tokens_per_word"] * flops / 1e9, 4)
        rows[encoder.name] = {
            "vocab_size": encoder.vocab_size,
            "languages": languages,
            "exact_round_trips": exact_round_trips(encoder, hard),
            "hard_texts": len(hard),
            "megabytes_per_cpu_second": round(megabytes_per_second(encoder, sample), 2),
        }
    return rows


def fast_encoders(ours: Encoder, texts: Mapping[str, Sequence[str]]) -> list[Encoder]:
    """The same tokenizer in a faster library, after a check that it gives the same ids. Empty when that library is not installed."""
    if not isinstance(ours, HuggingFace):
        return []
    try:
        fast = with_tiktoken(ours)
    except ModuleNotFoundError:
        return []
    check_same_ids(ours, fast, [*hard_texts(random_texts=200), *(text for documents in texts.values() for text in documents)])
    return [fast]


def _first(documents: Sequence[str], characters: int) -> list[str]:
    taken: list[str] = []
    for text in documents:
        if sum(map(len, taken)) > characters:
            break
        taken.append(text)
    return taken


def table(rows: Mapping[str, Any], missing: Mapping[str, str]) -> Table:
    """For the terminal."""
    result = Table(title="tokens per word, and what follows from it")
    for column in (
        "tokenizer",
        "vocabulary",
        *LANGUAGES,
        "kk/en",
        "ru/en",
        "kk bytes/token",
        "kk whole",
        "kk 1-byte",
        "kk GFLOP/word",
        "exact",
        "MB/s",
    ):
        result.add_column(column, justify="left" if column == "tokenizer" else "right")
    for name, row in rows.items():
        languages = {language: row["languages"].get(language, {}) for language in LANGUAGES}
        kk = languages["kk"]
        result.add_row(
            name,
            f"{row['vocab_size']:,}",
            *(_cell(languages[language], "tokens_per_word", ".3f") for language in LANGUAGES),
            *(_cell(languages[language], "tokens_against_en", ".2f") for language in ("kk", "ru")),
            *(
                _cell(kk, key, style)
                for key, style in (
                    ("bytes_per_token", ".2f"),
                    ("whole_words", ".1%"),
                    ("single_bytes", ".1%"),
                    ("gigaflops_per_word", ".2f"),
                )
            ),
            f"{row['exact_round_trips']}/{row['hard_texts']}",
            f"{row['megabytes_per_cpu_second']:.1f}",
        )
    for name, reason in missing.items():
        result.add_row(name, f"missing: {reason}", style="yellow")
    return result


def _cell(row: Mapping[str, Any], key: str, style: str) -> str:
    return format(row[key], style) if key in row else "–"


def run(arguments: argparse.Namespace) -> None:
    """Measure, print, write."""
    texts, shape = read_texts(arguments.texts), shape_of(load_recipe(arguments.recipe))
    ours = load_tokenizer(str(arguments.tokenizer))
    peers, missing = load_peers()
    rows = compare([ours, *fast_encoders(ours, texts), *peers], texts, shape)
    console.print(table(rows, missing))
    sides = [ours, *_second(arguments.against, peers)]
    shown = [arguments.text] if arguments.text else [_beginning(documents[0]) for documents in texts.values()]
    content = {
        "tokenizer_sha256": sha256_file(arguments.tokenizer / "tokenizer.json"),
        "texts": {language: {"documents": len(documents)} for language, documents in texts.items()},
        "shape": {**shape.model_dump(), "context": CONTEXT, "recipe": arguments.recipe.as_posix()},
        "packages": package_versions(),
        "tokenizers": rows,
        "missing": missing,
        "coloured": side_by_side(sides, shown),
    }
    write_json(arguments.out / "comparison.json", content)
    chart = bars("Tokens per word", {name: _per_word(row) for name, row in rows.items()}, LANGUAGES)
    (arguments.out / "fertility.svg").write_text(chart, encoding="utf-8")
    write_page(arguments.out / "tokens.html", sides, shown)
    names = " beside ".join(side.name for side in sides)
    console.print(f"{arguments.out}/: comparison.json, fertility.svg, tokens.html ({names})")


def _second(named: str, peers: Sequence[Encoder]) -> list[Encoder]:
    """The other side of the coloured page; none when no other tokenizer is installed."""
    if named:
        return [load_tokenizer(named)]
    return [peer for peer in peers if peer.name == AGAINST] or list(peers[-1:])


def _beginning(text: str) -> str:
    """Whole words of the first _SHOWN characters."""
    return text if len(text) <= _SHOWN else text[:_SHOWN].rsplit(maxsplit=1)[0]


def _per_word(row: Mapping[str, Any]) -> list[float | None]:
    return [row["languages"].get(language, {}).get("tokens_per_word") for language in LANGUAGES]


@command
def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="compare a tokenizer with those of well-known models")
    parser.add_argument("tokenizer", type=Path, help="folder with tokenizer.json")
    parser.add_argument("--texts", type=Path, required=True, help="folder with {kk,ru,en}.jsonl(.zst), not trained on")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--recipe", type=Path, default=RECIPE, help="whose model a word's cost is given for")
    parser.add_argument("--against", default="", help="second tokenizer of the coloured page: a peer's name or a folder")
    parser.add_argument(
        "--text", default="", help="text of the coloured page; default: the beginning of the first held-out one of each language"
    )
    run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
