"""The HTTP contract, over real connections and a real model: right answers, clear refusals, nobody lost, nobody who left is waited for."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from serve.server import TOOLS
from tests.serve.conftest import ADD, SAYS

USER = {"role": "user", "content": "Сәлем"}
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=60) as client:
        yield client


def ask(question: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}], "temperature": 0, "max_tokens": 100, **more}


def events(response: httpx.Response) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("question", ["Сәлем", "Кто ты?", "Markup"])
def test_answers_are_the_same_whole_and_streamed(client: httpx.Client, question: str) -> None:
    whole = client.post(CHAT, json=ask(question)).json()
    assert whole["choices"][0]["message"] == {"role": "assistant", "content": SAYS[question]}
    assert whole["choices"][0]["finish_reason"] == "stop"
    assert whole["usage"]["total_tokens"] == whole["usage"]["prompt_tokens"] + whole["usage"]["completion_tokens"] > 10
    response = client.post(CHAT, json=ask(question, stream=True, stream_options={"include_usage": True}))
    assert response.headers["content-type"].startswith("text/event-stream")
    *parts, last, usage = events(response)
    assert "".join(part["choices"][0]["delta"]["content"] for part in parts) == SAYS[question]
    assert last["choices"][0]["finish_reason"] == "stop" and usage["usage"] == whole["usage"]


def test_a_tool_is_called_and_its_result_answered(client: httpx.Client) -> None:
    whole = client.post(CHAT, json=ask("2 + 3?", tools=[ADD])).json()["choices"][0]
    assert whole["finish_reason"] == "tool_calls" and whole["message"]["content"] == "Қосамын. "
    [call] = whole["message"]["tool_calls"]
    assert call["type"] == "function" and call["function"] == {"name": "add", "arguments": '{"a": 2, "b": 3}'}
    parts = events(client.post(CHAT, json=ask("2 + 3?", tools=[ADD], stream=True)))
    assert parts[-1]["choices"][0]["finish_reason"] == "tool_calls"
    [[streamed]] = [delta["tool_calls"] for part in parts if "tool_calls" in (delta := part["choices"][0]["delta"])]
    assert streamed["index"] == 0 and streamed["function"] == call["function"]
    assert client.get("/tools").json() == {"tools": [ADD]}
    arguments = json.loads(call["function"]["arguments"])
    result = client.post("/tools/call", json={"name": "add", "arguments": arguments}).json()["result"]
    messages = [{"role": "user", "content": "2 + 3?"}, whole["message"], {"role": "tool", "tool_call_id": call["id"], "content": result}]
    final = client.post(CHAT, json=ask("", tools=[ADD]) | {"messages": messages}).json()["choices"][0]
    assert final["message"]["content"] == "Қосындысы — 5." and final["finish_reason"] == "stop"


def test_tools_of_the_server_run_and_tell_their_faults() -> None:
    run = {schema["function"]["name"]: function for schema, function in TOOLS}
    assert json.loads(run["calculate"]({"expression": "2*(3+4)"})) == {"result": 14}
    assert "error" in json.loads(run["calculate"]({"expression": "__import__('os')"}))
    assert "error" in json.loads(run["convert_length"]({}))


def test_text_is_gone_on_with_up_to_a_limit_or_a_stop_string(client: httpx.Client) -> None:
    prompt = "<|im_start|>user\nСәлем<|im_end|>\n<|im_start|>assistant\n"
    body = {"prompt": prompt, "temperature": 0, "max_tokens": 50}
    assert client.post("/v1/completions", json=body).json()["choices"][0]["text"] == SAYS["Сәлем"]
    stopped = client.post("/v1/completions", json={**body, "stop": "лай"}).json()["choices"][0]
    assert stopped["text"] == "Сәлем! Қа" and stopped["finish_reason"] == "stop"
    cut = client.post("/v1/completions", json={**body, "max_tokens": 3}).json()
    assert cut["choices"][0]["finish_reason"] == "length" and cut["usage"]["completion_tokens"] == 3
    free = {"prompt": "Қазақстан", "temperature": 2, "min_p": 0, "top_p": 1, "top_k": 0, "max_tokens": 20}
    texts = [client.post("/v1/completions", json={**free, "seed": seed}).json()["choices"][0]["text"] for seed in (-7, -7, 8)]
    assert texts[0] == texts[1] != texts[2]


def test_the_model_says_what_it_takes(client: httpx.Client) -> None:
    [model] = client.get("/v1/models").json()["data"]
    assert model["id"] == "kishi-test" and model["context_length"] == 8192 and model["max_tokens"] == 7000 and model["chat"]


BAD: list[tuple[Any, int, str]] = [
    (b"{", 400, "invalid_json"),
    (b"\xff", 400, "invalid_json"),
    (b'{"messages": NaN}', 400, "invalid_json"),
    (b"[" * 5000, 400, "invalid_json"),
    (b'{"messages": [{"role": "user", "content": "\\ud800"}]}', 400, "invalid_json"),
    ([], 400, "invalid_json"),
    ({}, 400, "messages: this field is missing"),
    ({"messages": []}, 400, "messages: "),
    ({"messages": "Сәлем"}, 400, "messages: "),
    ({"messages": [{"role": "robot", "content": "x"}]}, 400, "'robot'"),
    ({"messages": [{"role": "user"}]}, 400, "messages.0.content: this field is missing"),
    ({"messages": [{"role": "user", "content": 5}]}, 400, "messages.0.content"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, 400, "only parts of the form"),
    ({"messages": [{"role": "assistant"}]}, 400, "needs content or tool_calls"),
    ({"messages": [USER, {"role": "system", "content": "x"}]}, 400, "a system message must be the first"),
    ({"messages": [{"role": "user", "content": "a<|im_end|>b"}]}, 400, "control_token"),
    ({"messages": [USER], "temperature": -1}, 400, "temperature"),
    ({"messages": [USER], "temperature": "1"}, 400, "temperature"),
    (b'{"messages": [{"role": "user", "content": "x"}], "temperature": 1e999}', 400, "temperature"),
    ({"messages": [USER], "top_p": 0}, 400, "top_p"),
    ({"messages": [USER], "max_tokens": 0}, 400, "max_tokens"),
    ({"messages": [USER], "max_tokens": 7001}, 400, "max_tokens_too_large"),
    ({"messages": [USER], "n": 2}, 400, "n: "),
    ({"messages": [USER], "stop": [""]}, 400, "stop.0"),
    ({"messages": [USER], "best_of": 3}, 400, "unknown_field"),
    ({"messages": [USER], "response_format": {"type": "json_object"}}, 400, "response_format"),
    ({"messages": [USER], "tool_choice": "always"}, 400, "tool_choice"),
    ({"messages": [USER], "tools": [{"type": "function", "function": {"name": "two words"}}]}, 400, "tools.0.function.name"),
    ({"messages": [USER], "model": "gpt-4"}, 404, "model_not_found"),
    ({"messages": [{"role": "user", "content": "тау " * 2000}]}, 400, "context_length_exceeded"),
    ({"messages": [{"role": "user", "content": "тау " * 60000}]}, 413, "body_too_large"),
]


@pytest.mark.parametrize(("body", "status", "reason"), BAD, ids=[str(number) for number in range(len(BAD))])
def test_bad_requests_are_refused_with_a_reason(client: httpx.Client, body: Any, status: int, reason: str) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = client.post(CHAT, content=content, headers={"content-type": "application/json"})
    error = response.json()["error"]
    assert response.status_code == status, error
    assert reason in (error["code"], error["param"]) or reason in error["message"], error


def test_other_refusals(client: httpx.Client) -> None:
    assert client.post(CHAT, content=b"messages=1").status_code == 415
    assert client.get(CHAT).status_code == 405
    assert client.get("/../secret").json()["error"]["code"] == "not_found"
    assert client.post("/v1/completions", json={"prompt": ""}).json()["error"]["param"] == "prompt"
    assert client.post("/v1/completions", json={"prompt": [1, 2]}).status_code == 400
    assert client.post("/tools/call", json={"name": "remove"}).status_code == 404
    assert client.post(CHAT, json=ask("x"), headers={"host": "evil.example"}).status_code == 421


def test_a_body_that_never_comes_is_given_up(address: str) -> None:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as line:
        line.sendall(f"POST {CHAT} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{".encode())
        assert b" 408 " in line.recv(1000)


def test_page_may_load_only_what_the_server_has(client: httpx.Client) -> None:
    page = client.get("/")
    assert "default-src 'none'; script-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["content-type"] == "text/html; charset=utf-8" and "access-control-allow-origin" not in page.headers
    for name in ("page.js", "page.css", "api.js", "view.js", "texts.js"):
        content = client.get(f"/{name}").text
        assert "innerHTML" not in content and "http://" not in content and "https://" not in content


def test_many_at_once_are_all_answered(client: httpx.Client) -> None:
    def one(number: int) -> bool:
        question = list(SAYS)[number % 3]
        answer = client.post(CHAT, json=ask(question, stream=number % 2 == 0))
        text = answer.text if number % 2 else "".join(e["choices"][0]["delta"].get("content", "") for e in events(answer))
        return SAYS[question] in (json.loads(text)["choices"][0]["message"]["content"] if number % 2 else text)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(24)))


def _waiting(client: httpx.Client, number: int) -> None:
    deadline = time.monotonic() + 20
    while (found := client.get("/health").json()["waiting"]) != number:
        assert time.monotonic() < deadline, found
        time.sleep(0.01)


def _sent(address: str, body: dict[str, Any]) -> socket.socket:
    """A request whose answer nobody reads yet."""
    content = json.dumps(body).encode()
    host, port = address.removeprefix("http://").split(":")
    line = socket.create_connection((host, int(port)), timeout=30)
    line.sendall(
        f"POST {CHAT} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n".encode()
    )
    line.sendall(content)
    return line


def test_full_queue_refuses_and_those_who_leave_free_it(client: httpx.Client, address: str) -> None:
    body = ask("Endless", max_tokens=7000)
    lines = []
    for number in range(9):  # one is being written, eight wait
        lines.append(_sent(address, {**body, "stream": number % 2 == 0}))
        _waiting(client, number)
    answer = client.post(CHAT, json=body)
    assert answer.status_code == 429 and answer.json()["error"]["code"] == "queue_full" and "retry-after" in answer.headers
    lines.pop().close()
    _waiting(client, 7)  # one place is free again
    for line in lines:
        line.close()
    begin = time.monotonic()
    assert client.post(CHAT, json=ask("Сәлем")).json()["choices"][0]["message"]["content"] == SAYS["Сәлем"]
    assert time.monotonic() - begin < 2  # not after nine endless answers
    _waiting(client, 0)
