"""A tiny model that knows a few conversations by heart, so that its answers, calls of a tool among them, can be told beforehand."""

import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recipes.hardware import Hardware
from recipes.job import Job
from recipes.loading import load_recipe

HARDWARE = Hardware(device="cpu", threads=1, micro_batch_size=1, precision="fp32")
CONTEXT = 320
ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Sum",
        "parameters": {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}},
    },
}
CALL = {"type": "function", "function": {"name": "add", "arguments": '{"a": 2, "b": 3}'}}
ENDLESS = "тау " * 60
# what is asked, and the answer that is learnt; a script in the answer shows that nothing of it is ever run
SAYS = {
    "Сәлем": "Сәлем! Қалайсыз?",
    "Кто ты?": "Я маленькая модель.",
    "Markup": "<img src=x onerror=\"document.title='broken'\"> & <b>bold</b>",
    "Endless": ENDLESS,  # without an end, so that the model goes on until it is stopped
}


def conversations() -> list[tuple[list[dict[str, Any]], list[dict[str, Any]] | None]]:
    """Messages and tools of what the model learns."""
    plain = [([{"role": "user", "content": q}, {"role": "assistant", "content": a}], None) for q, a in SAYS.items()]
    question = {"role": "user", "content": "2 + 3?"}
    call = {"role": "assistant", "content": "Қосамын. ", "tool_calls": [CALL]}
    answered = [question, call, {"role": "tool", "content": "5"}, {"role": "assistant", "content": "Қосындысы — 5."}]
    return [*plain, (answered, [ADD])]  # type: ignore[list-item]


def _tokenizer(root: Path) -> Path:
    from kishi.jsonl import read_rows, write_rows
    from tokenizer.train import run

    documents = [row for path in sorted(Path("data/sample/corpus").glob("*.jsonl")) for row in read_rows(path)]
    for language in ("kk", "ru", "en"):
        rows = [{"id": str(n), "source": "sample", **row} for n, row in enumerate(documents) if row["lang"] == language][:60]
        write_rows(root / "data/corpus/clean" / f"{language}.jsonl.zst", rows[2:])
        write_rows(root / "data/heldout" / f"{language}.jsonl.zst", rows[:2])
    (root / "tokenizer").mkdir()
    run(Job(load_recipe(Path("recipes/kishi-tiny.yaml")), HARDWARE, root / "tokenizer", {"data": root / "data"}))
    return root / "tokenizer"


def _learn(model: Any, rows: list[list[int]], steps: int) -> float:
    """Every row by heart; returns the last loss."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so little work is slower on several
    batches = [torch.tensor([row]) for row in rows]
    optimizer = torch.optim.AdamW(model.parameters(), lr=6e-3)
    for _ in range(steps):
        losses = [model(input_ids=batch, labels=batch).loss for batch in batches]
        optimizer.zero_grad()
        sum(losses).backward()
        optimizer.step()
    torch.set_num_threads(threads)
    return max(float(loss.detach()) for loss in losses)


@pytest.fixture(scope="session")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file."""
    import torch
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    from conversion.gguf import convert

    root = tmp_path_factory.mktemp("served")
    source = _tokenizer(root)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(source)
    rows = [tokenizer.apply_chat_template(messages, tools=tools, return_dict=False) for messages, tools in conversations()]
    rows = [row[:-6] if ENDLESS in messages[-1]["content"] else row for row, (messages, _) in zip(rows, conversations(), strict=True)]
    torch.manual_seed(1)
    config = Qwen3Config(
        vocab_size=2048,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
    )
    model = Qwen3ForCausalLM(config)
    assert _learn(model, rows, 90) < 0.2
    model.save_pretrained(root / "model")
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(source / name, root / "model")
    convert(root / "model", root / "kishi-test.gguf")
    return root / "kishi-test.gguf"


def add(arguments: dict[str, Any]) -> str:
    """What the tool does."""
    return str(arguments["a"] + arguments["b"])


@pytest.fixture(scope="session")
def address(gguf: Path) -> Iterator[str]:
    """A server over real HTTP, in a thread, with a context so long that an endless answer takes seconds."""
    import uvicorn

    from serve.app import create_app
    from serve.engine import Engine
    from serve.guard import LOCAL
    from serve.requests import Limits

    limits = Limits(max_body=200_000, max_prompt_tokens=1000, max_tokens=7000, waiting=8, body_seconds=2)
    app = create_app(Engine(gguf, 8192, 1), limits, LOCAL, [(ADD, add)])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()
