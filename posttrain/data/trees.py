"""OpenAssistant's trees: a row is one message, with the name of its parent; the messages of a tree follow each other.

For sft a tree is its best thread: of several answers the best ranked, of several replies to it the first. For preference each question with
ranked answers is a pair of the best and the worst, after the thread that leads to it.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from kishi.rows import Item, Rejected

Row = dict[str, Any]
KEYS = {"message_id", "parent_id", "role", "text"}


def joined(items: Iterable[Item], kind: str) -> Iterator[Item]:
    """Trees in the place of their messages; all else as it is."""
    for name, group in groupby(items, key=_tree):
        if name is None or kind not in ("sft", "preference"):
            yield from group
            continue
        messages = [item for item in group if not isinstance(item, Rejected)]
        file, number, _ = messages[0]
        rows = [row for _, _, row in messages if not row.get("deleted")]
        root = next((row for row in rows if row.get("parent_id") is None), None)
        if root is None:
            yield Rejected(file, number, "a tree of messages without its root", str(name).encode())
            continue
        children: dict[Any, list[Row]] = {}
        for row in rows:
            children.setdefault(row.get("parent_id"), []).append(row)
        made = [_thread(root, children)] if kind == "sft" else list(_pairs(root, children, []))
        for row in made:
            yield file, number, {"id": row.pop("name"), "group": name, "lang": root.get("lang"), **row}


def _tree(item: Item) -> Any:
    """The tree that a message is of; None for rows that are no messages of a tree."""
    row = None if isinstance(item, Rejected) else item[2]
    return row.get("message_tree_id") if isinstance(row, dict) and row.keys() >= KEYS else None


def _ranked(rows: list[Row]) -> list[Row]:
    """Best first; those without a rank last, in their order."""
    return sorted(rows, key=lambda row: row["rank"] if row.get("rank") is not None else len(rows))


def _thread(root: Row, children: dict[Any, list[Row]]) -> Row:
    found, last = [root], root
    while below := children.get(last["message_id"]):
        last = _ranked(below)[0]
        found.append(last)
    if found[-1]["role"] != "assistant":
        found.pop()  # a question that nobody answered
    return {"name": root["message_id"], "messages": [_turn(row) for row in found]}


def _pairs(question: Row, children: dict[Any, list[Row]], before: list[Row]) -> Iterator[Row]:
    """Depth first, along the best answers only: a thread goes on from a good answer."""
    answers = _ranked([row for row in children.get(question["message_id"], []) if row["role"] == "assistant"])
    thread = [*before, _turn(question)]
    ranked = [row for row in answers if row.get("rank") is not None]
    if len(ranked) > 1:
        yield {"name": question["message_id"], "prompt": thread, "chosen": [_turn(ranked[0])], "rejected": [_turn(ranked[-1])]}
    if answers:
        for reply in children.get(answers[0]["message_id"], []):
            yield from _pairs(reply, children, [*thread, _turn(answers[0])])


def _turn(row: Row) -> Row:
    return {"role": row["role"], "content": row["text"]}
