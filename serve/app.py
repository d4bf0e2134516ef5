"""The HTTP side: OpenAI's `/v1/models`, `/v1/chat/completions` and `/v1/completions`, and the page at `/`."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from serve.answers import Answer, streamed
from serve.engine import Engine
from serve.errors import ApiError
from serve.guard import LOCAL, Guard
from serve.requests import Asked, ChatRequest, CompletionRequest, Limits, ToolRequest, parse
from serve.worker import Job, Worker

PAGE = Path(__file__).with_name("page")
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
Tool = tuple[dict[str, Any], Callable[[dict[str, Any]], str]]  # its OpenAI schema, and what answers a call's arguments
PING_SECONDS = 10.0  # of silence, then a comment is sent, so that nothing between takes the line for dead


class Server:
    """The handlers, around one engine and its worker."""

    def __init__(self, engine: Engine, limits: Limits, tools: Iterable[Tool]) -> None:
        self.engine, self.limits = engine, limits
        self.worker = Worker(engine, limits.waiting)
        self.prompt_limit = min(limits.max_prompt_tokens, engine.context - 1)
        self.answer_limit = min(limits.max_tokens, engine.context - 1)
        self.tools = {schema["function"]["name"]: (schema, function) for schema, function in tools}

    async def models(self, _: Request) -> Response:
        """The one model, with what it can take."""
        numbers = {"context_length": self.engine.context, "max_prompt_tokens": self.prompt_limit, "max_tokens": self.answer_limit}
        model = {"id": self.engine.name, "object": "model", "created": self.engine.created, "owned_by": "kishi"}
        return JSONResponse({"object": "list", "data": [{**model, **numbers, "chat": self.engine.chats}]})

    async def health(self, _: Request) -> Response:
        """For a supervisor: alive, and how many wait."""
        return JSONResponse({"status": "ok", "waiting": self.worker.waiting()})

    async def chat(self, request: Request) -> Response:
        """Messages in, the next message out."""
        asked = parse(ChatRequest, await self._body(request))
        tools = asked.plain_tools()
        ids = await asyncio.to_thread(self.engine.prompt, asked.plain_messages(), tools)
        return await self._answer(request, asked, asked.max_completion_tokens or asked.max_tokens, ids, "chat", bool(tools))

    async def completion(self, request: Request) -> Response:
        """Text in, what follows it out."""
        asked = parse(CompletionRequest, await self._body(request))
        if not asked.prompt:
            raise ApiError(400, "invalid_value", "prompt: it is empty", "prompt")
        ids = await asyncio.to_thread(self.engine.tokens, asked.prompt)
        return await self._answer(request, asked, asked.max_tokens, ids, "text", False)

    async def list_tools(self, _: Request) -> Response:
        """Tools that `call_tool` runs, as a chat request wants them."""
        return JSONResponse({"tools": [schema for schema, _ in self.tools.values()]})

    async def call_tool(self, request: Request) -> Response:
        """Runs one tool, which must be safe for anyone to call. What it refuses is its result too, for the model to read."""
        asked = parse(ToolRequest, await self._body(request))
        if asked.name not in self.tools:
            raise ApiError(404, "unknown_tool", f"name: there is no tool {asked.name}", "name")
        _, function = self.tools[asked.name]
        return JSONResponse({"result": await asyncio.to_thread(function, asked.arguments)})

    async def _body(self, request: Request) -> bytes:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise ApiError(415, "wrong_content_type", f"the content type must be application/json, not {kind or 'missing'}")
        limit = self.limits.max_body
        body = bytearray()
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                async for part in request.stream():
                    body += part
                    if len(body) > limit:
                        raise ApiError(413, "body_too_large", f"the body is larger than {limit} bytes")
        except TimeoutError as error:
            raise ApiError(408, "body_too_slow", f"the body did not arrive in {self.limits.body_seconds:.0f} s") from error
        return bytes(body)

    def _room(self, ids: list[int], wanted: int | None) -> int:
        """Tokens of the answer. Raises ApiError when the prompt, the answer or both are too long."""
        context, numbers = self.engine.context, {"prompt_tokens": len(ids), "context_length": self.engine.context}
        if len(ids) > self.prompt_limit:
            message = f"the prompt has {len(ids)} tokens; at most {self.prompt_limit} are taken"
            raise ApiError(400, "context_length_exceeded", message, numbers=numbers)
        if wanted is None:
            return min(self.answer_limit, context - len(ids))
        if wanted > self.answer_limit:
            raise ApiError(400, "max_tokens_too_large", f"max_tokens: at most {self.answer_limit}, not {wanted}", "max_tokens")
        if len(ids) + wanted > context:
            message = f"{len(ids)} tokens of prompt and {wanted} of answer do not fit into the context of {context}"
            raise ApiError(400, "context_length_exceeded", message, numbers=numbers)
        return wanted

    async def _answer(self, request: Request, asked: Asked, wanted: int | None, ids: list[int], kind: str, reads_calls: bool) -> Response:
        if asked.model not in (None, self.engine.name):
            raise ApiError(404, "model_not_found", f"model: there is only {self.engine.name}, not {asked.model[:80]!r}", "model")
        job = Job(ids, asked.sampling(self._room(ids, wanted)))
        self.worker.submit(job)
        answer = Answer(kind, self.engine.name, job, reads_calls)
        if asked.stream:
            events = _events(streamed(answer, PING_SECONDS, asked.stream_options.include_usage), job)
            return StreamingResponse(events, media_type="text/event-stream", headers={"x-accel-buffering": "no"})
        return await _whole(request, answer)


async def _events(pieces: AsyncIterator[dict[str, Any] | None], job: Job) -> AsyncIterator[bytes]:
    """Server-sent events. A fault after the answer has begun is its last event."""
    try:
        async for piece in pieces:
            yield b": waiting\n\n" if piece is None else _event(piece)
        yield b"data: [DONE]\n\n"
    except Exception as error:
        yield _event(_internal(error).body())
    finally:  # also when the client has left
        job.cancel()


def _event(content: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


async def _whole(request: Request, answer: Answer) -> Response:
    """The answer when it is complete; a client that leaves before that ends it."""

    async def collect() -> None:
        async for _ in streamed(answer, PING_SECONDS, False):
            pass

    async def left() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    collecting, leaving = asyncio.create_task(collect()), asyncio.create_task(left())
    try:
        await asyncio.wait({collecting, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not collecting.done():
            raise ClientDisconnect
        collecting.result()
        return JSONResponse(answer.whole())
    finally:
        answer.job.cancel()
        collecting.cancel()
        leaving.cancel()


def _internal(error: Exception) -> ApiError:
    return ApiError(500, "internal_error", f"the answer could not be written: {type(error).__name__}")


def _asset(path: Path) -> Callable[[Request], Awaitable[Response]]:
    content, kind = path.read_bytes(), KINDS[path.suffix]

    async def send(_: Request) -> Response:
        return Response(content, media_type=kind)

    return send


def _page() -> Iterable[Route]:
    """Every file of the page's folder by its name, so that no path of a request ever reaches the disk."""
    for path in sorted(PAGE.iterdir()):
        yield Route("/" if path.name == "index.html" else f"/{path.name}", _asset(path))


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return JSONResponse(error.body(), error.status, headers={"retry-after": "5"} if error.status == 429 else None)


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    codes = {404: ("not_found", "there is nothing at this path"), 405: ("method_not_allowed", "this path does not take this method")}
    code, message = codes.get(error.status_code, ("http_error", error.detail))
    return JSONResponse(ApiError(error.status_code, code, message).body(), error.status_code, headers=error.headers)


async def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=499)  # nobody reads it


async def _failed(_: Request, error: Exception) -> Response:
    return JSONResponse(_internal(error).body(), 500)


def create_app(engine: Engine, limits: Limits, hosts: Collection[str] = LOCAL, tools: Iterable[Tool] = ()) -> Starlette:
    """The ASGI application; it closes the engine when it ends."""
    server = Server(engine, limits, tools)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(server.worker.close)
        engine.close()

    routes = [
        Route("/v1/models", server.models),
        Route("/v1/chat/completions", server.chat, methods=["POST"]),
        Route("/v1/completions", server.completion, methods=["POST"]),
        Route("/health", server.health),
        Route("/tools", server.list_tools),
        Route("/tools/call", server.call_tool, methods=["POST"]),
        *_page(),
    ]
    handlers: Any = {ApiError: _refused, HTTPException: _http, ClientDisconnect: _gone, Exception: _failed}
    return Starlette(routes=routes, middleware=[Middleware(Guard, hosts=hosts)], exception_handlers=handlers, lifespan=lifespan)
