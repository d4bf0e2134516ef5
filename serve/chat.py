"""Chat in the terminal with a GGUF model: `python -m serve.chat runs/kishi-tiny/gguf/model-Q4_K_M.gguf`."""

import argparse
import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from kishi.errors import ArtefactError, KishiError
from serve import tool_loop

console = Console(highlight=False)
Message = dict[str, str]


def load(path: Path, context: int) -> Any:
    """The model. Raises ArtefactError when the file is missing or no GGUF."""
    if not path.is_file():
        raise ArtefactError("no such file", where=path, fix="run a recipe up to its gguf stage, or give the path of a .gguf file")
    with path.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise ArtefactError("not a GGUF file", where=path, fix="give the path of a .gguf file")
    import llama_cpp

    global _log  # llama.cpp keeps only the address, so the callback must live on
    _log = llama_cpp.llama_log_callback(lambda _level, _text, _data: None)
    llama_cpp.llama_log_set(_log, ctypes.c_void_p(0))
    try:
        return llama_cpp.Llama(str(path), n_ctx=context, verbose=False)
    except ValueError as error:
        raise ArtefactError(f"llama.cpp cannot load it: {error}", where=path, fix="the file is damaged or from another version") from error


_log: Any = None


def reply(model: Any, history: list[Message], max_tokens: int, temperature: float) -> Iterator[str]:
    """The answer to the history, piece by piece."""
    for chunk in model.create_chat_completion(history, max_tokens=max_tokens, temperature=temperature, stream=True):
        yield chunk["choices"][0]["delta"].get("content") or ""


def fit(model: Any, history: list[Message], max_tokens: int) -> list[Message]:
    """The newest turns that leave room for an answer; the question itself always stays."""
    while len(history) > 1:
        text = "".join(f"<|im_start|>{message['role']}\n{message['content']}<|im_end|>\n" for message in history)
        if len(model.tokenize(text.encode(), add_bos=False, special=True)) + 8 + max_tokens <= model.n_ctx():
            break
        history = history[2:]
    return history


def chat(model: Any, max_tokens: int, temperature: float, tools: bool = False) -> None:
    """Until /exit or the end of input; /clear forgets what was said. `tools`: the model may call those of serve/tools.py."""
    history: list[Any] = []
    console.print("[dim]/exit ends, /clear starts anew[/dim]")
    while True:
        try:
            question = console.input("[bold green]> [/bold green]").strip()
        except EOFError:
            return
        if question == "/exit":
            return
        if question == "/clear":
            history = []
            continue
        if question:
            history = [*history, {"role": "user", "content": question}]
        if question and tools:
            history = _with_tools(model, history, tool_loop.Settings(max_tokens, temperature))
        elif question:
            history = [*history, {"role": "assistant", "content": _speak(model, fit(model, history, max_tokens), max_tokens, temperature)}]


def _speak(model: Any, history: list[Message], max_tokens: int, temperature: float) -> str:
    pieces: list[str] = []
    try:
        for piece in reply(model, history, max_tokens, temperature):
            pieces.append(piece)
            console.print(piece, end="", markup=False, soft_wrap=True)
    except KeyboardInterrupt:  # stops the answer, not the chat
        pass
    except ValueError as error:  # a question longer than the context
        console.print(f"[red]{error}[/red]", end="")
    console.print()
    return "".join(pieces)


def _with_tools(model: Any, history: list[Any], settings: tool_loop.Settings) -> list[Any]:
    """The history with the turns that follow. Calls and results are shown dimmed; interrupted, the question is forgotten, too."""

    def show(line: str) -> None:
        console.print(line, style="dim", markup=False, soft_wrap=True)

    try:
        turns = tool_loop.answer(model, tool_loop.fit(model, history, settings.max_tokens), settings, show)
    except KeyboardInterrupt:
        console.print()
        return history[:-1]
    console.print(turns[-1]["content"], markup=False, soft_wrap=True)
    return [*history, *turns]


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m serve.chat", description=__doc__)
    parser.add_argument("model", type=Path, help="a .gguf file")
    parser.add_argument("--context", type=int, default=0, help="tokens; default: all that the model knows")
    parser.add_argument("--max-tokens", type=int, default=128, help="of one answer")
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--tools", action="store_true", help="let the model call a calculator and conversions of units (docs/tools.md)")
    options = parser.parse_args(arguments)
    try:
        model = load(options.model, options.context)
    except KishiError as error:
        Console(stderr=True, highlight=False).print(error.message(), markup=False, soft_wrap=True)
        return error.exit_code
    try:
        chat(model, options.max_tokens, options.temperature, options.tools)
    except KeyboardInterrupt:
        console.print()
    finally:
        model.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
