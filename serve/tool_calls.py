"""Function calls in a model's answer: `<tool_call>{"name": ..., "arguments": {...}}</tool_call>`, found while the text streams."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

from serve.text_stream import begun

OPEN, CLOSE = "<tool_call>", "</tool_call>"


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
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("name"), str) or not isinstance(found.get("arguments"), dict):
        return None
    return ToolCall(found["name"], json.dumps(found["arguments"], ensure_ascii=False))


class ToolCallReader:
    """Text in, text and whole calls out, in order. What looks like a call and is none comes out as the text it is."""

    def __init__(self) -> None:
        self._held, self._inside = "", False

    def feed(self, text: str) -> Iterator[str | ToolCall]:
        """What is certain after this piece."""
        self._held += text
        while True:
            marker = CLOSE if self._inside else OPEN
            before, found, after = self._held.partition(marker)
            if not found:
                break
            self._held = after
            if self._inside:
                yield parse(before) or f"{OPEN}{before}{CLOSE}"
            elif before:
                yield before
            self._inside = not self._inside
        if not self._inside:
            keep = begun(self._held, [OPEN])
            certain, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
            if certain:
                yield certain

    def rest(self) -> Iterator[str | ToolCall]:
        """What was held back, when no more comes: a call that lacks only its end mark counts."""
        held, inside = self._held, self._inside
        self._held, self._inside = "", False
        if inside:
            yield parse(held) or OPEN + held
        elif held:
            yield held
