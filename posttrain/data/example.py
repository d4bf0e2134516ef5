"""One row on its way through the stage: a plain dictionary, written as it is between two steps.

`kind` (of the recipe's source), `id`, `lang`, `task`, `source`, `license`, `group` (what must stay on one side of the split), and by kind
`messages` (sft, tools), `answer_lang` (sft: a translation's answer is in another language than its request), `tools`,
`prompt`/`chosen`/`rejected`/`why`, `texts` (parallel: language -> text), `title`/`text` (titles; `lead` when the first paragraph sums it
up). What was made says `made`; a translation also `direction` ("kk-ru") and `sides`, the text in all its languages.
"""

from typing import Any

Example = dict[str, Any]
COMMON = ("id", "lang", "task", "source", "license")
PAYLOAD = {
    "sft": ("messages", "direction"),
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
    turns = example.get("messages") or example.get("prompt") or ()
    asked = [turn.get("content") for turn in turns if turn.get("role") == "user"]
    return str(asked[0]) if asked else ""
