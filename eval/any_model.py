"""Opens any model by what a user calls it: a folder in Hugging Face's layout, a name on the hub, or a .gguf file; its own tokenizer."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from kishi.errors import ArtefactError
from recipes.local_files import state

LONGEST = 2048  # tokens; models that take more are measured with as much


def is_gguf(model: str) -> bool:
    """By its ending."""
    return model.endswith(".gguf")


def identity(model: str, revision: str | None) -> str:
    """What changes when the model does: the content of a file or folder (of a large one names, sizes and times), a commit on the hub."""
    path = Path(model)
    if path.exists():
        return state(path)
    if is_gguf(model) or model.startswith(("/", ".", "runs/")):
        raise ArtefactError("no such model", where=model, fix="check the path")
    return f"{model}@{revision or 'newest'}"


@contextmanager
def opened(
    model: str, length: int, chat: bool, device: str = "cpu", threads: int | None = None, revision: str | None = None
) -> Iterator[Any]:
    """See `eval.measure.LanguageModel`. `length`: tokens at most, or fewer where the model takes fewer."""
    if is_gguf(model):
        yield from _gguf(model, length, chat, threads)
        return
    import torch
    from transformers import AutoConfig, AutoTokenizer

    from eval import hugging_face

    if threads:
        torch.set_num_threads(threads)
    try:
        tokenizer, config = (kind.from_pretrained(model, revision=revision) for kind in (AutoTokenizer, AutoConfig))
    except (OSError, ValueError, KeyError) as error:
        fix = "a folder with config.json and tokenizer.json, owner/name on the hub (needs a network), or a .gguf file"
        raise ArtefactError(f"cannot be opened: {str(error).strip().splitlines()[0]}", where=model, fix=fix) from error
    most = getattr(config.get_text_config(), "max_position_embeddings", None) or length
    with hugging_face.opened(model, tokenizer, min(length, most), chat, device, revision=revision) as found:
        yield found


def _gguf(model: str, length: int, chat: bool, threads: int | None) -> Iterator[Any]:
    from eval.llama_cpp_model import GgufModel, opened, token_ids

    with opened(Path(model), length, threads) as found:
        trained = int(found.metadata.get(f"{found.metadata.get('general.architecture')}.context_length", length))
        yield GgufModel(found, partial(token_ids, found), min(length, trained), chat)


def size_of(model: str) -> int | None:
    """Bytes of the weights of a local model."""
    path = Path(model)
    files = [path] if path.is_file() else sorted(path.glob("*.safetensors")) if path.is_dir() else []
    return sum(file.stat().st_size for file in files) or None
