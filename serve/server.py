"""OpenAI-compatible server and a page in the browser: `python -m serve.server runs/kishi-tiny/gguf/model-Q4_K_M.gguf`."""

import argparse
import logging
import signal
import socket
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from rich.console import Console

from kishi.command import command
from kishi.errors import ArtefactError, KishiError
from kishi.tool_calls import Call
from serve import tools
from serve.app import Tool, create_app
from serve.engine import Engine
from serve.guard import LOCAL
from serve.requests import Limits

console = Console(highlight=False)


def _call(name: str, arguments: dict[str, Any]) -> str:
    return tools.run(Call(name, arguments))


# what the page may let the model call: safe for anyone who reaches the server
TOOLS: list[Tool] = [(schema, partial(_call, schema["function"]["name"])) for schema in tools.SCHEMAS]


def listening(host: str, port: int) -> socket.socket:
    """A socket before the model is loaded, so that a taken port is known at once. Port 0: any free one."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=256)
    except (OSError, OverflowError) as error:
        raise ArtefactError(f"cannot listen there: {error}", where=f"{host}:{port}", fix="another --port or --host") from error


def parser() -> argparse.ArgumentParser:
    """The command line; sizes default to what the model can do."""
    limits = Limits()
    new = argparse.ArgumentParser(prog="python -m serve.server", description=__doc__)
    new.add_argument("model", type=Path, help="a .gguf file")
    new.add_argument("--host", default="127.0.0.1", help="address to listen on; default: this machine only")
    new.add_argument("--port", type=int, default=8080)
    new.add_argument("--allowed-host", action="append", default=[], help="a name by which clients may call it ('*': any); may be repeated")
    new.add_argument("--context", type=int, default=0, help="tokens; default: all that the model knows")
    new.add_argument("--threads", type=int, help="for the model; default: half of the cores")
    new.add_argument("--max-tokens", type=int, default=limits.max_tokens, help="of one answer")
    new.add_argument("--max-prompt-tokens", type=int, default=limits.max_prompt_tokens, help="default: the context less one")
    new.add_argument("--max-body", type=int, default=limits.max_body, help="bytes of one request")
    new.add_argument("--waiting", type=int, default=limits.waiting, help="requests that may wait; more get 429")
    new.add_argument("--grace", type=int, default=10, help="seconds that answers may go on after a stop signal")
    return new


def serve(options: argparse.Namespace) -> None:
    """Until a signal."""
    numbers = ("port", "context", "max_tokens", "max_prompt_tokens", "max_body", "waiting", "grace")
    if wrong := [name for name in numbers if getattr(options, name) < (name not in ("port", "context", "grace"))]:
        raise KishiError(f"--{wrong[0].replace('_', '-')} is too small", fix="a positive number")
    with listening(options.host, options.port) as listener:
        engine = Engine(options.model, options.context, options.threads)
        limits = Limits(options.max_body, options.max_prompt_tokens, options.max_tokens, options.waiting)
        app = create_app(engine, limits, LOCAL | {options.host, *options.allowed_host}, TOOLS)
        port = listener.getsockname()[1]
        host = f"[{options.host}]" if ":" in options.host else options.host
        console.print(f"{engine.name}, context of {engine.context} tokens: http://{host}:{port}  (Ctrl+C ends)", soft_wrap=True)
        logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns of each client that has left
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=options.grace, backlog=256
        )
        uvicorn.Server(config).run(sockets=[listener])


def _end(_signal: int, _frame: object) -> None:
    raise SystemExit(0)


@command
def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    signal.signal(signal.SIGTERM, _end)  # uvicorn raises it again when it has ended in order
    with suppress(KeyboardInterrupt):  # the usual end
        serve(parser().parse_args(arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main())
