"""Every model of a run must cut text into the same tokens, or their figures are not of the same questions."""

from pathlib import Path

from tokenizers import Tokenizer

from eval.llama_cpp_model import Tokenize
from kishi.errors import ParityError
from kishi.manifest import sha256_file


def check_file(folder: Path, tokenizer: Path) -> None:
    """Raises ParityError unless the model folder's tokenizer.json is byte for byte that of the tokenizer stage."""
    path = folder / "tokenizer.json"
    if not path.is_file() or sha256_file(path) != sha256_file(tokenizer / "tokenizer.json"):
        raise ParityError("not the tokenizer of this run", where=path, fix="run the stage that made the model again")


def agreed(tokenizer: Tokenizer, other: Tokenize, where: Path) -> Tokenize:
    """`other`, but raising ParityError at a text that it cuts differently from `tokenizer`."""

    def tokenize(text: str) -> list[int]:
        ours, theirs = tokenizer.encode(text, add_special_tokens=False).ids, other(text)
        if ours != theirs:
            raise ParityError(
                f"{len(theirs)} token ids where tokenizer.json gives {len(ours)}, or other ones, for {text[:80]!r}",
                where=where,
                fix="run the gguf stage again, with the tokenizer of this run",
            )
        return theirs

    return tokenize
