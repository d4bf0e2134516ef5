"""More than fifty kinds of bad examples, each refused with its line and its reason."""

import json
from pathlib import Path
from typing import Any

import pytest

from kishi.jsonl import read_rows
from kishi.overlap import ExampleIndex, HeldoutIndex
from posttrain.data.check import Checks
from posttrain.data.collect import collect, refused
from posttrain.data.sources import Unit
from recipes.schema_chat import ChatSource
from recipes.schema_data import Decontamination

Row = dict[str, Any]
HELD_OUT = "Қарт балықшы таң атпай қайығын суға түсіріп, торын жайлап тартып, күн шыққанша үнсіз отырды да, кешке бос оралды."
RUSSIAN = "Завтра утром мы поедем на дачу, потому что там созрела клубника, и вернемся только к вечеру воскресенья."


def user(text: Any) -> Row:
    return {"role": "user", "content": text}


def model(text: Any, *calls: Row) -> Row:
    return {"role": "assistant", **({"content": text} if text is not None else {}), **({"tool_calls": list(calls)} if calls else {})}


def chat(*turns: Any, **more: Any) -> Row:
    return {"lang": "kk", "messages": list(turns), **more}


def pair(**more: Any) -> Row:
    good = {"prompt": [user("Неше сағат ұйықтау керек?")], "chosen": [model("Ересек адамға жеті-тоғыз сағат керек.")]}
    return {"lang": "kk", **good, "rejected": [model("Ұйықтамасаң да болады.")], **more}


def call(name: Any = "get_weather", arguments: Any = None, **more: Any) -> Row:
    return {"type": "function", "function": {"name": name, "arguments": {"city": "Алматы"} if arguments is None else arguments}, **more}


def tool(name: Any = "get_weather", **parameters: Any) -> Row:
    city = {"city": {"type": "string", "minLength": 2}, "days": {"type": "integer", "maximum": 7}, "unit": {"enum": ["C", "F"]}}
    schema = {"type": "object", "properties": city, "required": ["city"], **parameters}
    return {"type": "function", "function": {"name": name, "description": "Ауа райы", "parameters": schema}}


def tools(*turns: Row, offered: Any = None, **more: Any) -> Row:
    return {"lang": "kk", "tools": [tool()] if offered is None else offered, "messages": [ASKED, *turns], **more}


def result(content: Any = '{"t": 5}', **more: Any) -> Row:
    return {"role": "tool", "content": content, **more}


ASKED, ANSWER = user("Алматыда бүгін күн қандай?"), model("Бүгін Алматыда бес градус жылы.")
SFT: list[tuple[Row | bytes, str]] = [
    (b'{"lang": "kk", "messages": [', "not valid JSON"),
    (b'{"a": "\xff"}', "not UTF-8 (byte 7)"),
    (b"[1]", "not a JSON object"),
    ({"text": "x"}, "no known layout: keys text"),
    (chat(), "no messages"),
    (chat("Сәлем", ANSWER), "a turn is not an object"),
    (chat({"role": "narrator", "content": "x"}, ANSWER), "unknown role: turn 1, narrator"),
    (chat(user(["x"]), ANSWER), "content is not text: turn 1, list"),
    (chat(user(None), ANSWER), "content is not text: turn 1, NoneType"),
    (chat(ASKED, model(" \n")), "empty turn: turn 2"),
    (chat({"role": "system", "content": ""}, ASKED, ANSWER), "empty turn: turn 1"),
    (chat(ASKED, model("Жылы.<|im_end|>")), "control token in the text: turn 2, <|im_end|>"),
    (chat(ASKED, model('<tool_call>{"name": 1}</tool_call>')), "control token in the text: turn 2, <tool_call>"),
    (chat(ASKED, model("Жы\ufffdы.")), "broken encoding: turn 2, U+FFFD"),
    (chat(ASKED, model("Ðœ Ð¶Ñ‹Ð»Ñ‹ Ð±Ð¾Ð»Ð°Ð´Ñ‹")), "broken encoding: turn 2, UTF-8 read as Latin-1"),
    (chat(ASKED, model("Жы\ud83dлы.")), "broken encoding: half a surrogate pair, U+D83D"),
    (chat(ASKED, model("Жылы\x00.")), "control character in the text: turn 2, U+0000"),
    (chat(ASKED, {"role": "system", "content": "x"}, ANSWER), "a system turn that is not the first: user, system, assistant"),
    (chat({"role": "system", "content": "Сен көмекшісің."}), "no turn but the system's"),
    (chat(ANSWER, ASKED), "roles do not alternate from user: assistant, user"),
    (chat(ASKED, ASKED, ANSWER), "roles do not alternate from user: user, user, assistant"),
    (chat(ASKED, ANSWER, ASKED), "the last turn is not the assistant's: user, assistant, user"),
    (chat(ASKED, model("<nooutput>")), "a placeholder for an answer: turn 2, <nooutput>"),
    (chat(ASKED, model("...")), "a placeholder for an answer: turn 2, ..."),
    (chat(ASKED, model(ASKED["content"])), "the answer repeats the question: turn 2"),
    (chat(ASKED, model("Мынау:\n```python\nprint(5)")), "a code block is not closed: turn 2"),
    (chat(ASKED, model("Күн жылы, жел жоқ, аспан ашық. " * 8)), "the answer repeats itself: turn 2"),
    (chat(ASKED, model(None, call())), "tool call in a conversation without tools: turn 2"),
    (chat(ASKED, result(), ANSWER), "tool result in a conversation without tools: turn 2"),
    (chat(ASKED, ANSWER, license=""), "no license"),
    (chat(ASKED, ANSWER, lang="uz"), "a language that the recipe does not train: uz"),
    (chat(user(RUSSIAN), ANSWER), "question in another language: ru, not kk"),
    (chat(ASKED, model(RUSSIAN)), "answer in another language: ru, not kk"),
    (chat(user("Мұхиттардың ең тереңі қайсысы екен?"), model("Тынық мұхит.")), "contaminated: quiz"),
    (chat(user(f"Мәтінді қысқарт: {HELD_OUT}"), model("Балықшы бос оралды.")), "heldout-overlap: 1.00 of the 8-grams"),
]
PREFERENCE: list[tuple[Row | bytes, str]] = [
    ({"lang": "kk", "prompt": "Сәлем", "chosen": "Сәлем!"}, "no known layout: keys lang, prompt, chosen, license"),
    (pair(prompt=[]), "no prompt"),
    (pair(rejected=[]), "no rejected"),
    (pair(prompt=[ASKED, ANSWER]), "prompt, the last turn is not the user's: user, assistant"),
    (pair(chosen=[user("x")]), "chosen, roles do not alternate from assistant: user"),
    (pair(rejected=[model("")]), "rejected, empty turn: turn 1"),
    (pair(chosen=[model("N/A")]), "chosen, a placeholder for an answer: turn 1, N/A"),
    (pair(rejected=[model("Ересек адамға  жеті-тоғыз сағат керек. ")]), "chosen and rejected are the same"),
    (pair(score_chosen=3, score_rejected=4.5), "chosen is not scored higher: 3 against 4.5"),
]
TOOLS: list[tuple[Row | bytes, str]] = [
    (tools(ANSWER, offered=[]), "no tools"),
    (tools(ANSWER, offered=["get_weather"]), "a tool is not a function: tool 1"),
    (tools(ANSWER, offered=[tool("Ауа райы")]), "a tool has no proper name: tool 1, 'Ауа райы'"),
    (tools(ANSWER, offered=[tool(), tool()]), "two tools of one name: get_weather"),
    (tools(ANSWER, offered=[tool(type="array")]), "parameters are not an object: get_weather"),
    (tools(ANSWER, offered=[tool(properties={"city": {"type": "text"}})]), "parameters are not a JSON schema: get_weather"),
    (tools(ANSWER, offered=[tool(required=["city", "day"])]), "a required parameter is not described: get_weather, day"),
    (tools(model(None, call("get_news"))), "a call of an unknown tool: get_news, turn 2"),
    (tools(model(None, {"type": "function"})), "a call names no function: call, turn 2"),
    (tools(model(None, call(arguments="Алматы"))), "arguments are not an object: get_weather, turn 2"),
    (tools(model(None, call(arguments={"days": 1}))), "an argument is missing: get_weather, 'city' is a required property"),
    (tools(model(None, call(arguments={"city": "Алматы", "wind": 1}))), "an unknown argument: get_weather, Additional properties"),
    (tools(model(None, call(arguments={"city": 5}))), "an argument of the wrong type: get_weather.city, 5 is not of type 'string'"),
    (
        tools(model(None, call(arguments={"city": "Алматы", "unit": "K"}))),
        "an argument breaks its schema: get_weather.unit, 'K' is not one of",
    ),
    (
        tools(model(None, call(arguments={"city": "Алматы", "days": 9}))),
        "an argument breaks its schema: get_weather.days, 9 is greater than",
    ),
    (tools(model(None, call()), user("Рақмет"), ANSWER), "a call has no result: get_weather, before turn 3"),
    (tools(model(None, call(), call()), result(), ANSWER), "a call has no result: get_weather, before turn 4"),
    (tools(result(), ANSWER), "a result without a call: tool, turn 2"),
    (tools(model(None, call()), result(name="get_news"), ANSWER), "a result of another call: get_news, turn 3"),
    (tools(model(None, call(id="a")), result(tool_call_id="b"), ANSWER), "a result of another call: b, turn 3"),
    (tools(model(None, call()), result()), "the last turn is not the assistant's: user, assistant, tool"),
    (tools({"role": "assistant", "content": "Қазір.", "tool_calls": []}), "an empty list of calls: turn 2"),
    ({**tools(ANSWER), "messages": [{**ASKED, "tool_calls": [call()]}, ANSWER]}, "tool call in another's turn: turn 1, user"),
    (tools(model(None, call()), kind="no_call"), "its kind says otherwise: no_call, with 1 calls"),
    (tools(model(None, call()), kind="parallel"), "its kind says otherwise: parallel, with 1 calls"),
]
PARALLEL: list[tuple[Row | bytes, str]] = [
    ({"kk": "Бұл үй."}, "fewer than two languages: kk"),
    ({"kk": "Бұл үй.", "ru": " "}, "a side is empty: ru"),
    ({"kk": "Бұл үй.", "en": 5}, "content is not text: en, int"),
    ({"kk": "Windows 11 Pro", "ru": "Windows 11 Pro"}, "two sides are the same: not translated"),
    ({"kk": "Иә.", "ru": RUSSIAN}, "one side is much longer: 104 characters against 3"),
    ({"kk": "Ол 1998 жылы туған.", "ru": "Он родился в 1989 году."}, "numbers differ: 1998, 1989"),
    ({"kk": RUSSIAN, "ru": RUSSIAN.replace("Завтра", "Сегодня")}, "text in another language: ru, not kk"),
]
TITLES: list[tuple[Row | bytes, str]] = [
    ({"title": "", "text": "x" * 300}, "no title"),
    ({"title": "Тақырып"}, "no text"),
    ({"title": "Өте ұзын тақырып " * 15, "text": "x" * 300}, "the title is no title: 254 characters"),
    ({"title": "Тақырып", "text": "Қысқа мәтін."}, "too little text: 12 characters"),
]
TABLES = {"sft": SFT, "preference": PREFERENCE, "tools": TOOLS, "parallel": PARALLEL, "titles": TITLES}


def _line(row: Row) -> bytes:
    return json.dumps({**row, "license": row.get("license", "MIT")}).encode()


@pytest.fixture(scope="module")
def checks() -> Checks:
    quiz = {"quiz": ["Мұхиттардың ең тереңі қайсысы екен?"]}
    return Checks(("kk", "ru", "en"), 1.0, ExampleIndex(quiz, Decontamination()), (HeldoutIndex([HELD_OUT]),), 0.05)


@pytest.mark.parametrize("kind", TABLES)
def test_refused_with_line_and_reason(tmp_path: Path, checks: Checks, kind: Any) -> None:
    """Bad rows between blank lines, so that the line is not the number of the row; all others would be read."""
    path = tmp_path / f"{kind}.jsonl"
    path.write_bytes(b"\n\n".join(row if isinstance(row, bytes) else _line(row) for row, _ in TABLES[kind]))
    source = ChatSource(name="bad", path=str(path), kind=kind, language="kk" if kind == "titles" else None)
    (shard,) = collect([Unit(source, path)], tmp_path / "work", checks)
    assert list(read_rows(shard)) == []
    found = {row["line"]: row["reason"] for row in read_rows(refused(shard))}
    wrong = {
        line: (found.get(line), reason) for line, (_, reason) in zip(range(1, 999, 2), TABLES[kind], strict=False)
        if not str(found.get(line)).startswith(reason)
    }  # fmt: skip
    assert wrong == {}


def test_they_are_of_more_than_fifty_kinds() -> None:
    """A kind is a reason without its details; the same fault in another place is the same kind."""
    assert len({reason.partition(":")[0] for table in TABLES.values() for _, reason in table}) >= 60


def test_what_is_like_them_and_right_is_read(tmp_path: Path, checks: Checks) -> None:
    good = {
        "sft": [chat({"role": "system", "content": "Сен көмекшісің."}, ASKED, ANSWER, user("Ал ертең?"), model("Ертең суытады."))],
        "preference": [pair(), pair(score_chosen=5, score_rejected=4.5, rejected=[model("Жоқ. " * 40)])],
        "tools": [
            tools(model("Қазір қараймын.", call()), result(name="get_weather"), ANSWER, kind="result"),
            tools(model(None, call(), call(arguments={"city": "Орал", "days": 2})), kind="parallel"),
            tools(model(None, call()), result(), model(None, call(arguments={"city": "Орал"})), result(), ANSWER, ASKED, ANSWER),
        ],
        "parallel": [{"kk": "Ол 1998 жылы туған.", "ru": "Он родился в 1998 году.", "en": "He was born in 1998."}],
    }
    for kind, rows in good.items():
        path = tmp_path / f"{kind}.jsonl"
        path.write_text("\n".join(json.dumps({"license": "MIT", **row}) for row in rows))
        source = ChatSource(name="good", path=str(path), kind=kind)  # type: ignore[arg-type]
        (shard,) = collect([Unit(source, path)], tmp_path / kind, checks)
        assert list(read_rows(refused(shard))) == [] and len(list(read_rows(shard))) == len(rows), kind
