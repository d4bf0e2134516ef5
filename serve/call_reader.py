"""Function calls in a model's answer: `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`, found while the text streams."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

from kishi import tool_calls
from kishi.tool_calls import CALL_END, CALL_START
from serve.text_stream import begun


@dataclass(frozen=True)
class ToolCall:
    """One call; `arguments` is JSON text, as in OpenAI's answers."""

    name: str
    arguments: str
    id: str = field(default_factory=lambda: f"call_{uuid.uuid4().hex[:24]}")

    def plain(self) -> dict[str, object]:
        """As OpenAI writes it."""
        return {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": self.arguments}}


def parse(text: str) -> ToolCall | None:
    """The call between the marks; None when it is not JSON with a name and an object of arguments."""
    found = tool_calls.parse(f"{CALL_START}{text}{CALL_END}")
    if found.malformed or len(found.calls) != 1:
        return None
    try:
        return ToolCall(found.calls[0].name, json.dumps(found.calls[0].arguments, ensure_ascii=False, allow_nan=False))
    except ValueError:  # NaN, which no other reader of JSON takes
        return None


class ToolCallReader:
    """Text in, text and whole calls out, in order. What looks like a call and is none comes out as the text it is."""

    def __init__(self) -> None:
        self._held, self._inside = "", False

    def feed(self, text: str) -> Iterator[str | ToolCall]:
        """What is certain after this piece."""
        self._held += text
        while True:
            marker = CALL_END if self._inside else CALL_START
            before, found, after = self._held.partition(marker)
            if not found:
                break
            self._held = after
            if self._inside:
                yield parse(before) or f"{CALL_START}{before}{CALL_END}"
            elif before:
                yield before
            self._inside = not self._inside
        if not self._inside:
            keep = begun(self._held, [CALL_START])
            certain, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
            if certain:
                yield certain

    def rest(self) -> Iterator[str | ToolCall]:
        """What was held back, when no more comes: a call that lacks only its end mark counts."""
        held, inside = self._held, self._inside
        self._held, self._inside = "", False
        if inside:
            yield parse(held) or CALL_START + held
        elif held:
            yield held
