"""Made conversations: sound, different, held aside by template and by tool, and every template renders with every value."""

from collections import Counter
from random import Random
from typing import Any

import pytest

from kishi.jsonl import encode_row
from kishi.languages import LANGUAGES
from kishi.tool_calls import of_message, schema_fault
from kishi.tool_scores import judge, question
from posttrain.data.check import shape_fault
from posttrain.tool_data import sentences, values
from posttrain.tool_data.catalogue import Tool, catalogue
from posttrain.tool_data.make import KINDS, make

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def made() -> tuple[Rows, Rows]:
    return make(600, 90, seed=7)


def test_as_many_as_asked_of_every_kind_in_every_language(made: tuple[Rows, Rows]) -> None:
    rows, aside = made
    counts = Counter((row["lang"], row["task"]) for row in rows)
    assert counts == {(language, kind): round(600 * share) for language in LANGUAGES for kind, share in KINDS.items()}
    assert Counter(row["split"] for row in aside) == {"seen": 180, "unseen": 90}
    ids = [row["id"] for row in rows + aside]
    assert len(set(ids)) == len(ids)


def test_every_row_is_sound(made: tuple[Rows, Rows]) -> None:
    for row in (*made[0], *made[1]):
        assert shape_fault({**row, "kind": "tools"}) is None, row
        for message in row["messages"]:
            assert [schema_fault(call, row["tools"]) for call in of_message(message)] in ([], [None], [None, None]), row


def test_the_right_answer_is_judged_right(made: tuple[Rows, Rows]) -> None:
    for row in made[1]:
        asked, last = question(row), row["messages"][-1]
        answer = last["content"] or "".join(encode_call(call["function"]) for call in last["tool_calls"])
        assert judge(asked, answer)["right"], row
        if asked.calls:
            assert not judge(asked, "Жоқ.")["right"]


def encode_call(function: dict[str, Any]) -> str:
    return f"<tool_call>{encode_row(function).decode()}</tool_call>"


def test_equal_seeds_give_equal_rows(made: tuple[Rows, Rows]) -> None:
    assert make(600, 90, seed=7) == made
    assert make(600, 90, seed=8)[0] != made[0]


def test_held_out_rows_share_neither_request_nor_unseen_tool(made: tuple[Rows, Rows]) -> None:
    asked = {row["messages"][0]["content"] for row in made[0] if row["task"] in ("simple", "multiple", "result")}
    shown = {tool["function"]["name"] for row in made[0] for tool in row["tools"]}
    unseen = set(catalogue()[1])
    assert len(unseen) >= 6 and not shown & unseen and len(catalogue()[0]) >= 25
    for row in made[1]:
        names = {tool["function"]["name"] for tool in row["tools"]}
        assert names <= (unseen if row["split"] == "unseen" else shown)
        if row["task"] in ("simple", "multiple", "result"):
            assert row["messages"][0]["content"] not in asked


def test_arguments_are_said_in_the_request(made: tuple[Rows, Rows]) -> None:
    """A text argument's stem stands in the request, so that it can be copied from there."""
    for row in made[0]:
        text = row["messages"][0]["content"].casefold()
        for call in of_message(row["messages"][1]):
            for value in call.arguments.values():
                if isinstance(value, str) and any(letter in "абвгдежзийклмнопрстуфхцчшщыіәөүұқңғ" for letter in value.casefold()):
                    assert value.casefold()[: max(3, len(value) - 3)][:3] in text, (value, text)


def items(pool: values.Pool, language: Any) -> list[values.Value]:
    words = [values._worded(None, item, language) for item in (pool.words or {}).get(language, ())]
    words += [values._worded(code, texts[language], language) for code, texts in (pool.codes or {}).items()]
    name = next(name for name, one in values.pools().items() if one is pool)
    return words or [values.draw(name, language, Random(seed)) for seed in range(20)]


@pytest.mark.parametrize("tool", [tool for part in catalogue() for tool in part.values()], ids=lambda tool: str(tool.name))
def test_every_template_renders_with_every_value(tool: Tool) -> None:
    checked = 0
    for language in LANGUAGES:
        pairs = [text for lacks in tool.lacks.values() for pair in lacks[language] for text in pair]
        texts = [*(ask.say for ask in tool.ask[language]), *tool.both.get(language, ()), *tool.answer.get(language, ()), *pairs]
        for match in (match for text in texts for match in sentences.SLOT.finditer(text)):
            pool = tool.pool_of(match[1]) or tool.result.get(match[1])
            assert pool or tool.compute, f"{tool.name}: no pool for {match[0]}"
            if isinstance(pool, str) and not (match[2] or "").startswith("count="):
                for value in items(values.pools()[pool], language):
                    assert "{" not in value.form(match[2] or "")  # raises for a form that the value lacks
                    checked += 1
    assert checked >= 20


def test_too_many_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posttrain.tool_data.make._TRIES", 1)
    with pytest.raises(ValueError, match="ask for fewer, or add templates"):
        make(0, 3000, seed=1, languages=("en",))
