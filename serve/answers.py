"""Answers in OpenAI's form, whole or in pieces."""

import time
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

from serve.call_reader import ToolCall, ToolCallReader
from serve.engine import Piece
from serve.worker import Job


class Answer:
    """Names an answer and shapes its parts. `kind` is `chat` or `text`; `reads_calls` looks for function calls in it."""

    def __init__(self, kind: str, model: str, job: Job, reads_calls: bool) -> None:
        self.kind, self.model, self.job = kind, model, job
        self.id = f"{'chatcmpl' if kind == 'chat' else 'cmpl'}-{uuid.uuid4().hex}"
        self.created = int(time.time())
        self._reader = ToolCallReader() if reads_calls else None
        self.calls: list[ToolCall] = []
        self.text = ""
        self._last: Piece | None = None

    def parts(self, piece: Piece) -> Iterator[str | ToolCall]:
        """Text and calls that are certain after this piece."""
        found: list[str | ToolCall] = [piece.text] if piece.text else []
        if self._reader:
            found = [*self._reader.feed(piece.text), *(self._reader.rest() if piece.finish else ())]
        for part in found:
            if isinstance(part, ToolCall):
                self.calls.append(part)
            else:
                self.text += part
            yield part
        self._last = piece

    def finish_reason(self) -> str:
        """`tool_calls` when the model stopped after calling something."""
        assert self._last is not None and self._last.finish
        return "tool_calls" if self.calls and self._last.finish == "stop" else self._last.finish

    def usage(self) -> dict[str, int]:
        """Tokens of prompt and answer."""
        written = self._last.tokens if self._last else 0
        return {"prompt_tokens": len(self.job.ids), "completion_tokens": written, "total_tokens": len(self.job.ids) + written}

    def timings(self) -> dict[str, float]:
        """Milliseconds, and tokens a second after the first (llama.cpp's server names them so too)."""
        timing, written = self.job.timing, self._last.tokens if self._last else 0
        writing = timing.ended - timing.first
        return {
            "queue_ms": round((timing.began - timing.queued) * 1000, 1),
            "prompt_ms": round((timing.first - timing.began) * 1000, 1),
            "predicted_ms": round(writing * 1000, 1),
            "predicted_per_second": round((written - 1) / writing, 2) if written > 1 and writing > 0 else 0.0,
        }

    def whole(self) -> dict[str, Any]:
        """The answer that is sent at once."""
        choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": self.finish_reason()}
        if self.kind == "chat":
            message: dict[str, Any] = {"role": "assistant", "content": self.text if self.text or not self.calls else None}
            if self.calls:
                message["tool_calls"] = [call.plain() for call in self.calls]
            choice["message"] = message
        else:
            choice["text"] = self.text
        return {**self._head("chat.completion"), "choices": [choice], "usage": self.usage(), "timings": self.timings()}

    def first(self) -> dict[str, Any] | None:
        """What comes before any text: whose turn it is."""
        return self._piece({"role": "assistant", "content": ""}) if self.kind == "chat" else None

    def part(self, part: str | ToolCall) -> dict[str, Any]:
        """One piece of text, or one whole call."""
        if isinstance(part, ToolCall):
            return self._piece({"tool_calls": [{"index": len(self.calls) - 1, **part.plain()}]})
        return self._piece({"content": part}, text=part)

    def last(self) -> dict[str, Any]:
        """Why it ended."""
        return self._piece({}, finish=self.finish_reason())

    def usage_piece(self) -> dict[str, Any]:
        """Token counts, without a choice, as OpenAI sends them."""
        return {**self._head("chat.completion.chunk"), "choices": [], "usage": self.usage(), "timings": self.timings()}

    def _piece(self, delta: dict[str, Any], text: str = "", finish: str | None = None) -> dict[str, Any]:
        content = {"delta": delta} if self.kind == "chat" else {"text": text}
        return {**self._head("chat.completion.chunk"), "choices": [{"index": 0, **content, "logprobs": None, "finish_reason": finish}]}

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind if self.kind == "chat" else "text_completion", "created": self.created, "model": self.model}


async def streamed(answer: Answer, patience: float, usage: bool) -> AsyncIterator[dict[str, Any] | None]:
    """The pieces to send; None where nothing came for `patience` seconds."""
    if (first := answer.first()) is not None:
        yield first
    async for piece in answer.job.pieces(patience):
        if piece is None:
            yield None
            continue
        for part in answer.parts(piece):
            yield answer.part(part)
    yield answer.last()
    if usage:
        yield answer.usage_piece()
