"""What the answers of a Hugging Face model to tool conversations are worth."""

from collections.abc import Sequence
from typing import Any

from kishi import tool_scores
from kishi.jsonl import Row
from kishi.tool_answers import answers


def measure(model: Any, tokenizer: Any, rows: Sequence[Row], most: int) -> tuple[dict[str, Any], list[Row]]:
    """(the table of `kishi.tool_scores`, each answer with its verdict). Questions that leave no room for an answer count as wrong."""
    asked = [tool_scores.question(row) for row in rows]
    judged = [tool_scores.judge(one, answer) for one, answer in zip(asked, answers(model, tokenizer, asked, most), strict=True)]
    return tool_scores.table(judged), judged
