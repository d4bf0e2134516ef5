"""Whether something that is to be published holds text that must stay here: held-out documents, training text, chat examples."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from kishi.jsonl import read_rows

WORDS = 12  # in a row: longer than chance and set phrases, shorter than any sentence worth keeping
READ_BYTES = 200 * 10**6  # of compressed training text that is compared; held-out text is compared whole
_TEXT = (".md", ".json", ".jinja", ".txt", ".yaml")
ALLOWED = re.compile(
    r"(README\.md|config\.json|generation_config\.json|model(-\d{5}-of-\d{5})?\.safetensors|model\.safetensors\.index\.json|tokenizer\.json"
    r"|tokenizer_config\.json|special_tokens_map\.json|added_tokens\.json|vocab\.json|merges\.txt|chat_template\.jinja|parity\.json"
    r"|new_tokens\.json|recipe\.yaml|quantize_config\.json|quant_config\.json|preprocessor_config\.json|model-[\w.-]+\.gguf|Modelfile)"
)


def unexpected(paths: Iterable[str]) -> list[str]:
    """Files of a kind that no model repository needs: data, logs, checkpoints."""
    return [path for path in paths if not ALLOWED.fullmatch(path)]


def leaks(texts: dict[str, str], run: Path) -> list[str]:
    """Sentences on texts that share `WORDS` words in a row with the run's own documents or examples."""
    grams = {gram: name for name, text in texts.items() for gram in _grams(text)}
    found: dict[str, str] = {}
    for path, text in _documents(run):
        for gram in _grams(text):
            if gram in grams:
                found.setdefault(grams[gram], f"{grams[gram]} holds text of {path}: “{' '.join(gram)[:60]} …”")
    return list(found.values())


def is_text(path: str) -> bool:
    """Small files that people read; a vocabulary is none."""
    return path.endswith(_TEXT) and not path.endswith(("tokenizer.json", "vocab.json", "merges.txt", "new_tokens.json"))


def _grams(text: str) -> Iterator[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return zip(*(words[i:] for i in range(WORDS)), strict=False)


def _documents(run: Path) -> Iterator[tuple[str, str]]:
    """Path and text of held-out documents, then training text, then chat examples."""
    read = 0
    patterns = (
        "data/heldout*/*.jsonl.zst",
        "chat-data/**/heldout.jsonl",
        "data/corpus/**/*.jsonl.zst",
        "chat-data/**/train.jsonl",
        "tools/data/*.jsonl",
    )
    for path in (path for pattern in patterns for path in sorted(run.glob(pattern))):
        if "heldout" not in path.as_posix():
            read += path.stat().st_size
            if read > READ_BYTES:
                return
        for row in read_rows(path):
            yield path.relative_to(run).as_posix(), str(row.get("text") or row.get("messages") or row.get("prompt") or "")
