"""Load on the server: are all requests answered, bad ones refused with a reason, and how long do clients wait?

    python -m bench.serving MODEL.gguf --out bench/records/DATE-serving [--requests 200] [--clients 8] [--max-tokens 64]

A server process of its own is started on a free port. The clients take requests from one list, in an order that a seed fixes: streamed
and whole chats in three languages, some bad ones, some whose client hangs up after the first piece. After that the server is asked to stop
while an answer is being written. A request is lost when it has no answer, another status than it must have, a broken stream or no reason.
"""

import argparse
import asyncio
import json
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from rich.console import Console

from bench.record import write_record
from kishi.jsonl import write_rows

CHAT = "/v1/chat/completions"
QUESTIONS = ("Қазақстан туралы қысқаша айтып бер.", "Расскажи коротко о Казахстане.", "Tell me briefly about Kazakhstan.")
SHARES = {"whole": 0.35, "stream": 0.4, "bad": 0.15, "hang up": 0.1}
USER = {"role": "user", "content": "Сәлем"}
# what is sent, and the status that must come back
BAD: tuple[tuple[bytes, int], ...] = (
    (b"{", 400),
    (b'{"messages": []}', 400),
    (json.dumps({"messages": [{"role": "robot", "content": "?"}]}).encode(), 400),
    (json.dumps({"messages": [USER], "temperature": -1}).encode(), 400),
    (json.dumps({"messages": [USER], "max_tokens": 10**9}).encode(), 400),
    (json.dumps({"messages": [{"role": "user", "content": "сөз " * 50_000}]}).encode(), 400),
    (json.dumps({"messages": [{"role": "user", "content": "x" * (1 << 21)}]}).encode(), 413),
    (json.dumps({"messages": [USER], "model": "other"}).encode(), 404),
)
console = Console(highlight=False)


class Row(dict[str, Any]):
    """One request: kind, status, ok, seconds, first_seconds, tokens."""


def plan(requests: int, seed: int) -> list[str]:
    """Kinds of the requests, in an order that depends on the seed alone."""
    kinds = [kind for kind, share in SHARES.items() for _ in range(round(share * requests))]
    kinds += ["stream"] * (requests - len(kinds))
    random.Random(seed).shuffle(kinds)
    return kinds[:requests]


async def whole(client: httpx.AsyncClient, body: dict[str, Any]) -> Row:
    """A chat that is answered at once."""
    response = await client.post(CHAT, json=body)
    answer = response.json()
    ok = response.status_code == 200 and answer["choices"][0]["finish_reason"] in ("stop", "length")
    return Row(status=response.status_code, ok=ok, tokens=answer["usage"]["completion_tokens"] if ok else 0)


async def stream(client: httpx.AsyncClient, body: dict[str, Any], leave: bool) -> Row:
    """A streamed chat; `leave`: the client closes the line after the first piece of text."""
    body = {**body, "stream": True, "stream_options": {"include_usage": True}}
    begin, first, finish, tokens, done = time.perf_counter(), None, None, 0, False
    async with client.stream("POST", CHAT, json=body) as response:
        async for line in response.aiter_lines():
            if not line.startswith("data: "):
                continue
            if done := line == "data: [DONE]":
                break
            event = json.loads(line[6:])
            choice = event["choices"][0] if event["choices"] else {"delta": {}, "finish_reason": None}
            if choice["delta"].get("content") and first is None:
                first = time.perf_counter() - begin
                if leave:
                    return Row(status=response.status_code, ok=response.status_code == 200, tokens=0)
            finish = choice["finish_reason"] or finish
            tokens = event["usage"]["completion_tokens"] if "usage" in event else tokens
    ok = response.status_code == 200 and done and finish in ("stop", "length")
    return Row(status=response.status_code, ok=ok, tokens=tokens, first_seconds=first)


async def bad(client: httpx.AsyncClient, number: int) -> Row:
    """A request that must be refused with a reason."""
    content, expected = BAD[number % len(BAD)]
    response = await client.post(CHAT, content=content, headers={"content-type": "application/json"})
    return Row(status=response.status_code, ok=response.status_code == expected and bool(response.json()["error"]["message"]), tokens=0)


async def one(client: httpx.AsyncClient, kind: str, number: int, max_tokens: int) -> Row:
    """Sends it, and times it."""
    body = {"messages": [{"role": "user", "content": QUESTIONS[number % 3]}], "max_tokens": max_tokens, "seed": number}
    begin = time.perf_counter()
    try:
        if kind == "bad":
            row = await bad(client, number)
        elif kind == "whole":
            row = await whole(client, body)
        else:
            row = await stream(client, body, leave=kind == "hang up")
    except (httpx.HTTPError, ValueError, KeyError, IndexError) as error:
        row = Row(status=0, ok=False, tokens=0, error=repr(error))
    return Row(number=number, kind=kind, seconds=round(time.perf_counter() - begin, 4), **row)


async def load(address: str, kinds: list[str], clients: int, max_tokens: int) -> list[Row]:
    """All requests, as many at once as there are clients."""
    left, rows = iter(enumerate(kinds)), []
    async with httpx.AsyncClient(base_url=address, timeout=600, limits=httpx.Limits(max_connections=None)) as client:

        async def work() -> None:
            for number, kind in left:
                rows.append(await one(client, kind, number, max_tokens))

        await asyncio.gather(*(work() for _ in range(clients)))
    return rows


def percentiles(values: Iterable[float | None]) -> dict[str, float]:
    """Seconds."""
    known = [value for value in values if value is not None]
    return {f"p{q}": round(float(np.percentile(known, q)), 3) for q in (50, 90, 99)} if known else {}


def figures(rows: list[Row], seconds: float) -> dict[str, Any]:
    """What the record holds."""
    kinds = defaultdict(list)
    for row in rows:
        kinds[row["kind"]].append(row)
    tokens = sum(row["tokens"] for row in rows)
    return {
        "requests": len(rows),
        "lost": sum(not row["ok"] for row in rows),
        "statuses": {kind: dict(Counter(str(row["status"]) for row in found)) for kind, found in sorted(kinds.items())},
        "seconds": round(seconds, 2),
        "tokens": tokens,
        "tokens_per_second": round(tokens / seconds, 1),
        "answer_seconds": percentiles(row["seconds"] for kind in ("whole", "stream") for row in kinds[kind]),
        "first_text_seconds": percentiles(row.get("first_seconds") for row in kinds["stream"]),
        "refusal_seconds": percentiles(row["seconds"] for row in kinds["bad"]),
    }


def stop(process: subprocess.Popen[str], address: str) -> dict[str, Any]:
    """Asks it to end while an answer is being written, which must still come whole."""

    async def answer() -> Row:
        async with httpx.AsyncClient(base_url=address, timeout=60) as client:
            running = asyncio.create_task(stream(client, {"messages": [USER], "max_tokens": 64}, leave=False))
            await asyncio.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            return await running

    begin = time.perf_counter()
    row = asyncio.run(answer())
    return {"answer_whole": row["ok"], "exit_status": process.wait(60), "seconds": round(time.perf_counter() - begin, 2)}


def measure(model: Path, requests: int, clients: int, max_tokens: int, options: list[str]) -> tuple[dict[str, Any], list[Row]]:
    """Starts the server, loads it, stops it. Raises RuntimeError when it does not start."""
    command = [sys.executable, "-m", "serve.server", str(model), "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        if not found:
            raise RuntimeError("the server did not start")
        asyncio.run(load(found[0], ["whole"], 1, 4))  # the first answer also reads the file
        begin = time.perf_counter()
        rows = asyncio.run(load(found[0], plan(requests, 0), clients, max_tokens))
        result = figures(rows, time.perf_counter() - begin)
        result["memory_mb"] = round(psutil.Process(process.pid).memory_info().rss / 1e6)
        result["stop"] = stop(process, found[0])
        return result, rows
    finally:
        process.kill()
        process.wait()


def main(arguments: list[str] | None = None) -> int:
    """Command line; 1 when a request was lost."""
    parser = argparse.ArgumentParser(prog="python -m bench.serving", description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder of the record")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1, help="of the server's model")
    options = parser.parse_args(arguments)
    result, rows = measure(options.model, options.requests, options.clients, options.max_tokens, ["--threads", str(options.threads)])
    console.print_json(json.dumps(result))
    options.out.mkdir(parents=True, exist_ok=True)
    write_rows(options.out / "requests.jsonl", rows)
    write_record(options.out, "serving", result, model={"file": options.model.name, "bytes": options.model.stat().st_size})
    return int(result["lost"] > 0 or not result["stop"]["answer_whole"])


if __name__ == "__main__":
    sys.exit(main())
