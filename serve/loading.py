"""Opening a GGUF file with llama.cpp, without its log."""

import ctypes
from pathlib import Path
from typing import Any

from kishi.errors import ArtefactError

_log: Any = None  # llama.cpp keeps only the address, so the callback must live on


def load(path: Path, context: int, threads: int | None = None) -> Any:
    """The model; `context` in tokens, 0: all that it knows. Raises ArtefactError when the file is missing or no GGUF."""
    if not path.is_file():
        raise ArtefactError("no such file", where=path, fix="run a recipe up to its gguf stage, or give the path of a .gguf file")
    with path.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise ArtefactError("not a GGUF file", where=path, fix="give the path of a .gguf file")
    import llama_cpp

    global _log
    _log = llama_cpp.llama_log_callback(lambda _level, _text, _data: None)
    llama_cpp.llama_log_set(_log, ctypes.c_void_p(0))
    try:
        return llama_cpp.Llama(str(path), n_ctx=context, n_threads=threads, n_threads_batch=threads, verbose=False)
    except ValueError as error:
        raise ArtefactError(f"llama.cpp cannot load it: {error}", where=path, fix="the file is damaged or from another version") from error
