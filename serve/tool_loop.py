"""The model calls, the tool runs, the result goes back, the model answers: until it answers in words, or a limit is reached."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kishi import gguf_chat, tool_calls
from kishi.jsonl import Row
from kishi.special_tokens import SPECIAL_TOKENS
from serve import tools

MOST_ROUNDS = 4  # turns with calls in one answer
MOST_CALLS = 8  # in one turn

Show = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """Of each of the model's turns."""

    max_tokens: int = 128
    temperature: float = 0.0
    grammar: bool = True


def answer(model: Any, history: list[Row], settings: Settings, show: Show) -> list[Row]:
    """The turns that follow the history: calls and results, and the answer in words last. `show` is told of each call and its result."""
    added: list[Row] = []
    constraint = gguf_chat.grammar(tools.SCHEMAS) if settings.grammar else None
    for _ in range(MOST_ROUNDS):
        found = tool_calls.parse(_written(model, [*history, *added], settings, constraint))
        if not found.calls and not found.malformed:
            return [*added, {"role": "assistant", "content": _plain(found.words)}]
        added += _round(found, show)
    return [*added, {"role": "assistant", "content": f"(stopped: {MOST_ROUNDS} rounds of calls without an answer)"}]


def fit(model: Any, history: list[Row], max_tokens: int) -> list[Row]:
    """The newest exchanges that leave room for an answer; the last question, and what follows it, always stays."""
    while token_need(model, history) + max_tokens > model.n_ctx():
        later = [place for place, turn in enumerate(history) if turn["role"] == "user"][1:]
        if not later:
            break
        history = history[later[0] :]
    return history


def token_need(model: Any, turns: list[Row]) -> int:
    """Tokens of the prompt, the tools' descriptions included."""
    return gguf_chat.token_count(model, gguf_chat.prompt(model, turns, tools.SCHEMAS))


def _written(model: Any, turns: list[Row], settings: Settings, constraint: Any) -> str:
    if token_need(model, turns) >= model.n_ctx():
        return "(stopped: the conversation fills the context; /clear starts anew)"
    return gguf_chat.write(model, gguf_chat.prompt(model, turns, tools.SCHEMAS), settings.max_tokens, settings.temperature, constraint)[0]


def _round(found: tool_calls.Parsed, show: Show) -> list[Row]:
    """The turn that called, and a result for each call; calls that cannot be read, and those over the limit, get an error as result."""
    calls = found.calls[:MOST_CALLS]
    made = [{"type": "function", "function": {"name": call.name, "arguments": call.arguments}} for call in calls]
    turns: list[Row] = [{"role": "assistant", "content": _plain(found.words), "tool_calls": made}]
    for call in calls:
        result = tools.run(call)
        show(f"{call.name}({', '.join(f'{key}={value!r}' for key, value in call.arguments.items())}) -> {result}")
        turns.append({"role": "tool", "name": call.name, "content": _plain(result)})
    wrong = [*found.malformed, *(["too many calls in one turn"] if len(found.calls) > MOST_CALLS else [])]
    for fault in wrong:
        show(f"a call was not run: {fault}")
        turns.append({"role": "tool", "content": f'{{"error": "{_plain(fault)}"}}'})
    return turns


def _plain(text: str) -> str:
    """Without the marks of turns and calls: an error may quote what the model wrote, and the tokenizer would read the marks as such."""
    for token in SPECIAL_TOKENS:
        text = text.replace(token, "")
    return text
