"""A smaller vocabulary from the same merges: BPE learnt once gives every smaller size exactly.

python -m tokenizer.cut runs/kishi-local/tokenizer 49152 runs/kishi-local/tokenizer-49152
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

from tokenizers import Tokenizer

from kishi.command import command
from kishi.errors import ArtefactError, DataError
from kishi.special_tokens import COUNT
from tokenizer.fertility import check_round_trip

_SMALLEST = COUNT + 256
_COMPANIONS = ("tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")


def cut(tokenizer: Tokenizer, vocab_size: int) -> Tokenizer:
    """The tokenizer that training would have given with this size. Raises DataError when it is not smaller, or has no room for bytes."""
    have = tokenizer.get_vocab_size()
    if not _SMALLEST <= vocab_size <= have:
        raise DataError(f"{vocab_size} tokens cannot be cut from {have}", where="vocab_size", fix=f"{_SMALLEST} to {have}")
    content = json.loads(tokenizer.to_str())
    vocabulary, merges = content["model"]["vocab"], content["model"]["merges"]
    # training stops when the vocabulary is full: merges after the first token that is left out were not learnt yet
    end = next((place for place, pair in enumerate(merges) if vocabulary["".join(pair)] >= vocab_size), len(merges))
    content["model"]["vocab"] = {token: number for token, number in vocabulary.items() if number < vocab_size}
    content["model"]["merges"] = merges[:end]
    return Tokenizer.from_str(json.dumps(content, ensure_ascii=False))


def cut_folder(source: Path, vocab_size: int, target: Path) -> None:
    """A tokenizer folder with the smaller vocabulary beside the same companions."""
    path = source / "tokenizer.json"
    if not path.is_file():
        raise ArtefactError("file is missing", where=path, fix="make tokenizer")
    smaller = cut(Tokenizer.from_file(str(path)), vocab_size)
    check_round_trip(smaller)
    target.mkdir(parents=True, exist_ok=True)
    smaller.save(str(target / "tokenizer.json"))
    for name in _COMPANIONS:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)


@command
def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="cut a smaller vocabulary from the same merges")
    parser.add_argument("source", type=Path, help="folder of the tokenizer stage")
    parser.add_argument("vocab_size", type=int)
    parser.add_argument("target", type=Path, help="folder to write")
    arguments = parser.parse_args()
    cut_folder(arguments.source, arguments.vocab_size, arguments.target)


if __name__ == "__main__":
    sys.exit(main())
