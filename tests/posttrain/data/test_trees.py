"""Trees of messages become threads and pairs."""

from typing import Any

from kishi.rows import Item, Rejected
from posttrain.data.trees import joined


def _message(number: int, name: str, parent: str | None, role: str, rank: int | None = None, **more: Any) -> Item:
    row = {
        "message_id": name,
        "parent_id": parent,
        "message_tree_id": "t",
        "role": role,
        "text": f"text {name}",
        "lang": "ru",
        "rank": rank,
    }
    return "f", number, {**row, **more}


TREE: list[Item] = [
    _message(1, "q", None, "prompter"),
    _message(2, "bad", "q", "assistant", 2),
    _message(3, "good", "q", "assistant", 0),
    _message(4, "more", "good", "prompter"),
    _message(5, "last", "more", "assistant", 0),
    _message(6, "other", "more", "assistant", 1),
    _message(7, "gone", "more", "assistant", 2, deleted=True),
    _message(8, "unanswered", "last", "prompter"),
    _message(9, "middling", "q", "assistant", 1),
]


def _texts(turns: list[dict[str, Any]]) -> list[str]:
    return [turn["content"].removeprefix("text ") for turn in turns]


def test_the_best_thread() -> None:
    ((file, number, row),) = joined(TREE, "sft")  # type: ignore[misc]
    assert (file, number, row["id"], row["group"], row["lang"]) == ("f", 1, "q", "t", "ru")
    assert _texts(row["messages"]) == ["q", "good", "more", "last"]


def test_pairs_of_the_best_and_the_worst_answer() -> None:
    rows = [item[2] for item in joined(TREE, "preference")]  # type: ignore[index]
    found = [(row["id"], _texts(row["prompt"]), _texts(row["chosen"]), _texts(row["rejected"])) for row in rows]
    assert found == [("q", ["q"], ["good"], ["bad"]), ("more", ["q", "good", "more"], ["last"], ["other"])]


def test_a_tree_that_is_cut_and_rows_that_are_none() -> None:
    cut, bad = TREE[3:], Rejected("f", 5, "not valid JSON")
    plain: Item = ("f", 1, {"messages": []})
    found = list(joined([plain, bad, *cut, plain], "sft"))
    assert [found[0], found[1], found[3]] == [plain, bad, plain]
    assert isinstance(found[2], Rejected) and found[2].reason == "a tree of messages without its root"
