"""Teaches an existing tokenizer Kazakh and Russian: new merges after the old ones, so that no old id moves and other text is cut as before.

    python -m tokenizer.expand OLD --text runs/kishi-local/data --new 15900 --out NEW [--model MODEL --rows focus]

OLD is a Hugging Face folder with a BPE `tokenizer.json`: byte-level (Qwen, Llama-3) or with byte fallback (Gemma, Llama-2). With
`--model` the model's embedding gets a row for each new token (tokenizer/new_rows.py) and both are written to NEW.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import regex
from rich.console import Console
from tokenizers import Tokenizer, models, trainers

from kishi.command import command
from kishi.errors import ArtefactError, DataError, ParityError
from kishi.hard_texts import hard_texts
from kishi.languages import Language
from recipes.schema_pretrain import Tokenizer as Settings
from tokenizer.sample import plan
from tokenizer.word_weights import count, repeated, weigh

MIX: dict[Language, float] = {"kk": 0.8, "ru": 0.2}
_MOST = 6_000_000
_FIRST_STAND_IN = 0x10000  # one character a token; these planes hold more than a million
_CYRILLIC = regex.compile(r"\p{Cyrillic}")
_BYTE = regex.compile(r"<0x[0-9A-F]{2}>")
_SPARE = 0.1  # merges learnt beyond the tokens asked for: some only make a way to a token that is there
console = Console(highlight=False)
Merge = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Expansion:
    """The new tokenizer; `pieces` are the old ids that each new id is made of, in its order."""

    tokenizer: Tokenizer
    pieces: dict[int, tuple[int, ...]]


def expand(old: Tokenizer, weights: Mapping[str, float], new_tokens: int) -> Expansion:
    """Learn at most `new_tokens` tokens from weighted pieces of text that hold Cyrillic letters. Raises DataError, ParityError.

    The words, as the old tokenizer cuts them, are written with one stand-in character a token, so that the ordinary BPE trainer goes on
    where the old merges end.
    """
    content = json.loads(old.to_str())
    if content["model"]["type"] != "BPE":
        raise DataError(f"a {content['model']['type']} model has no merges to continue", where="tokenizer.json", fix="give a BPE tokenizer")
    cyrillic = {piece: weight for piece, weight in weights.items() if _CYRILLIC.search(piece)}
    merges = _learn(old, cyrillic, new_tokens + int(_SPARE * new_tokens))
    pieces = _append(content, old, merges, new_tokens)
    expanded = Tokenizer.from_str(json.dumps(content, ensure_ascii=False))
    check_old_ids(old, expanded, hard_texts())
    if len(pieces) < new_tokens:
        console.print(f"[yellow]{len(pieces)} new tokens: the text gives no more of the {new_tokens} asked for[/]")
    return Expansion(expanded, pieces)


def _segments(old: Tokenizer, text: str) -> Iterator[tuple[int, ...]]:
    """The ids of the text, cut where the pre-tokenizer cuts: no merge may cross that."""
    encoding = old.encode(text, add_special_tokens=False)
    run: list[int] = []
    for place, number in enumerate(encoding.ids):
        if run and encoding.word_ids[place] != encoding.word_ids[place - 1]:
            yield tuple(run)
            run = []
        run.append(number)
    if run:
        yield tuple(run)


def _learn(old: Tokenizer, weights: Mapping[str, float], new_tokens: int) -> list[Merge]:
    """New merges in order, each side as the old ids that it is made of."""
    words: dict[tuple[int, ...], float] = {}
    # some put a space before every text: with the piece's own there would be two, as hardly ever in text
    adds_space = "".join(old.encode("x", add_special_tokens=False).tokens) == "▁x"
    for piece, weight in weights.items():
        for ids in _segments(old, piece.removeprefix(" ") if adds_space else piece):
            # a byte of the fallback alphabet is spelt <0xD2>: two of them do not join to a token
            if len(ids) > 1 and not any(_BYTE.fullmatch(old.id_to_token(number)) for number in ids):
                words[ids] = words.get(ids, 0.0) + weight
    used = sorted({number for ids in words for number in ids})
    stand_in = {number: chr(_FIRST_STAND_IN + place) for place, number in enumerate(used)}
    number_of = {letter: number for number, letter in stand_in.items()}
    learner = Tokenizer(models.BPE())
    trainer = trainers.BpeTrainer(vocab_size=len(used) + new_tokens, initial_alphabet=sorted(number_of), show_progress=False)
    written = {"".join(stand_in[number] for number in ids): weight for ids, weight in words.items()}
    learner.train_from_iterator(repeated(written, _MOST), trainer)
    learnt = json.loads(learner.to_str())["model"]["merges"]
    return [(tuple(number_of[c] for c in left), tuple(number_of[c] for c in right)) for left, right in learnt]


def _append(content: dict[str, Any], old: Tokenizer, merges: list[Merge], most: int) -> dict[int, tuple[int, ...]]:
    """Put the merges behind the old ones. A string that is a token already keeps its old id and only gains a way to be reached."""
    vocabulary: dict[str, int] = content["model"]["vocab"]
    # the library numbers added tokens after the vocabulary, unless the vocabulary says their id
    vocabulary |= {token["content"]: token["id"] for token in content["added_tokens"]}
    as_pairs = not content["model"]["merges"] or not isinstance(content["model"]["merges"][0], str)
    following = max(vocabulary.values()) + 1
    pieces: dict[int, tuple[int, ...]] = {}
    for left, right in merges:
        if len(pieces) == most:
            break
        sides = ["".join(old.id_to_token(number) for number in side) for side in (left, right)]
        if (name := "".join(sides)) not in vocabulary:
            vocabulary[name] = following + len(pieces)
            pieces[vocabulary[name]] = left + right
        content["model"]["merges"].append(sides if as_pairs else " ".join(sides))
    return pieces


def check_old_ids(old: Tokenizer, new: Tokenizer, texts: list[str]) -> None:
    """Raise ParityError when an old token has another id, text without Cyrillic is cut differently, or a text decodes to something else."""
    before, after = old.get_vocab(), new.get_vocab()
    if moved := [token for token, number in before.items() if after.get(token) != number]:
        raise ParityError(f"{len(moved)} tokens have other ids, the first is {moved[0]!r}", where="expanded tokenizer")
    for text in texts:
        ids = [one.encode(text, add_special_tokens=False).ids for one in (old, new)]
        if not _CYRILLIC.search(text) and ids[0] != ids[1]:
            raise ParityError(f"text without Cyrillic letters is cut differently: {text[:80]!r}", where="expanded tokenizer")
        back = [one.decode(part, skip_special_tokens=False) for one, part in zip((old, new), ids, strict=True)]
        if back[0] != back[1]:
            raise ParityError(f"decodes to {back[1][:80]!r} instead of {back[0][:80]!r}", where="expanded tokenizer")


def weigh_text(data: Path, settings: Settings, seed: int) -> dict[str, float]:
    """Weights of the pieces of a corpus folder, as for a tokenizer of our own."""
    sample = plan(data, settings.mix, settings.sample_megabytes, settings.domain_power, seed)
    return weigh(count(sample.texts()), settings.mix, settings.count_power, settings.domain_power)


def run(arguments: argparse.Namespace) -> None:
    """Expand the tokenizer, and the model when one is given."""
    path = arguments.old / "tokenizer.json"
    if not path.is_file():
        raise ArtefactError("file is missing", where=path, fix="give a Hugging Face folder with a fast tokenizer")
    old = Tokenizer.from_file(str(path))
    settings = Settings(vocab_size=512, mix=MIX, sample_megabytes=arguments.megabytes)
    expansion = expand(old, weigh_text(arguments.text, settings, arguments.seed), arguments.new)
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.model:
        from tokenizer.new_rows import expand_model

        difference = expand_model(arguments.model, arguments.out, old, expansion, arguments.rows, arguments.text)
        console.print(f"old-vocabulary logits differ by {difference:.1e} at most")
    for file in arguments.old.glob("*token*"):
        shutil.copyfile(file, arguments.out / file.name)
    for name in ("chat_template.jinja", "vocab.json", "merges.txt"):
        (arguments.out / name).unlink(missing_ok=True)
    if (arguments.old / "chat_template.jinja").is_file():
        shutil.copyfile(arguments.old / "chat_template.jinja", arguments.out / "chat_template.jinja")
    expansion.tokenizer.save(str(arguments.out / "tokenizer.json"))
    console.print(f"{len(expansion.pieces)} new tokens after {old.get_vocab_size()} -> {arguments.out}")


@command
def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="teach an existing tokenizer Kazakh and Russian without moving an old id")
    parser.add_argument("old", type=Path, help="Hugging Face folder with tokenizer.json")
    parser.add_argument("--text", type=Path, required=True, help="folder of the data stage (corpus/<tier>/<lang>.jsonl.zst)")
    parser.add_argument("--new", type=int, required=True, help="tokens to add")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--megabytes", type=float, default=256)
    parser.add_argument("--seed", type=int, default=1234)
    parser.add_argument("--model", type=Path, help="model whose embedding is to grow")
    parser.add_argument("--rows", choices=("mean", "focus"), default="focus", help="how new rows are made")
    run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
