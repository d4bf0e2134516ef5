"""One row on its way through the stage: a plain dictionary, written as it is between two steps.

`kind` (of the recipe's source), `id`, `lang`, `task`, `source`, `license`, `group` (what must stay on one side of the split), and by kind
`messages` (sft, tools), `tools`, `prompt`/`chosen`/`rejected`/`why`, `texts` (parallel: language -> text), `title`/`text` (titles).
"""

from typing import Any

Example = dict[str, Any]
COMMON = ("id", "lang", "task", "source", "license")
PAYLOAD = {
    "sft": ("messages",),
    "preference": ("prompt", "chosen", "rejected", "why", "length_matched"),
    "tools": ("messages", "tools"),
}


def published(example: Example) -> Example:
    """What training reads."""
    return {key: example[key] for key in (*COMMON, *PAYLOAD[example["kind"]]) if key in example}


def turns_of(example: Example) -> list[dict[str, Any]]:
    """All turns of an example that has some."""
    return [turn for key in ("messages", "prompt", "chosen", "rejected") for turn in example.get(key) or ()]


def texts_of(example: Example) -> list[str]:
    """Every text in it, in order; of a call its arguments."""
    texts = [text for turn in turns_of(example) for text in (turn.get("content"), *_arguments(turn)) if text]
    return texts + list(example.get("texts", {}).values()) + [example[key] for key in ("title", "text") if key in example]


def _arguments(turn: dict[str, Any]) -> list[str]:
    calls = [call["function"] for call in turn.get("tool_calls") or ()]
    return [f"{call['name']} {' '.join(map(str, call['arguments'].values()))}" for call in calls]


def question_of(example: Example) -> str:
    """What the user first asks, with the system turn's text left out: two examples that ask the same must not part."""
    asked = [turn["content"] for turn in example.get("messages") or example.get("prompt") or () if turn["role"] == "user"]
    return asked[0] if asked else ""
