"""The whole stage: the same bytes after any kill, groups that do not part, weights, duplicates, and a datasheet that counts right."""

import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from kishi.errors import DataError
from kishi.jsonl import Row, read_rows, write_rows
from kishi.words import words_of
from posttrain.data import collect, prepare
from tests.posttrain.data.runs import conversation, digests, job, make_data, run, written

PLACE, LICENSE = "data/sample", "Apache-2.0"
SFT = {"name": "sft", "path": f"{PLACE}/sft.jsonl", "license": LICENSE, "kind": "sft"}
PAIRS = {"name": "pairs", "path": f"{PLACE}/preference.jsonl", "license": LICENSE, "kind": "preference"}
TOOLS = {"name": "tools", "path": f"{PLACE}/tools.jsonl", "license": LICENSE, "kind": "tools"}
PARALLEL = {"name": "parallel", "path": f"{PLACE}/translation.jsonl", "license": "CC0-1.0", "kind": "parallel"}
TITLES = {"name": "titles", "corpus": "sample", "kind": "titles", "leads": True}
ALL = (SFT, PAIRS, TOOLS, PARALLEL, TITLES)
SETTINGS: dict[str, Any] = {"make": {"pairs": 0.5}, "against": [], "heldout": 0.2}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, data: Path) -> tuple[Path, dict[str, Any]]:
    """An undisturbed run of all kinds and makers: its folder and facts."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, run(job(folder, data, ALL, **SETTINGS))


@pytest.mark.parametrize("moment", ["reading", "writing", "ending", "clearing"])
def test_killed_and_run_again_it_writes_the_same_bytes(tmp_path: Path, data: Path, whole: tuple[Path, Any], moment: str) -> None:
    child = os.fork()
    if not child:
        _die_when(moment)
        run(job(tmp_path, data, ALL, **SETTINGS))
        os._exit(0)  # it should not come here
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    done = list((tmp_path / ".work" / "examples").glob("*.zst"))
    assert len(done) == {"reading": 3, "clearing": 0}.get(moment, 7)  # four files, and one of each language of the corpus
    times = {path: path.stat().st_mtime_ns for path in done}
    facts = run(job(tmp_path, data, ALL, **SETTINGS))
    assert digests(tmp_path) == digests(whole[0]) and facts == whole[1]
    assert not any(path.exists() for path in times)  # the working files are gone in the end


def _die_when(moment: str) -> None:
    def die(*_: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)

    if moment == "reading":
        read = collect._read
        collect._read = lambda unit, shard, *rest: die() if shard.name.startswith("00003") else read(unit, shard, *rest)  # type: ignore[assignment]
    elif moment == "clearing":
        rename = Path.rename
        Path.rename = lambda self, to: (rename(self, to), self.name == ".work" and die())[0]  # type: ignore[method-assign, assignment]
    else:
        setattr(prepare, {"writing": "_write_evidence", "ending": "_refuse_untrainable"}[moment], die)


def test_the_seed_decides(tmp_path: Path, data: Path, whole: tuple[Path, Any]) -> None:
    other = job(tmp_path, data, ALL, **SETTINGS)
    run(type(other)(other.recipe.model_copy(update={"seed": 7}), other.hardware, other.folder, other.inputs))
    assert digests(tmp_path)["sft/train.jsonl"] != digests(whole[0])["sft/train.jsonl"]


def test_nothing_that_belongs_together_parts(whole: tuple[Path, Any]) -> None:
    """Directions of one sentence, headline and summary of one document, a good answer and its spoilt copy, equal questions."""
    sides: dict[str, set[str]] = {}
    for kind in ("sft", "preference", "tools"):
        for side, rows in written(whole[0], kind).items():
            for row in rows:
                question = next(turn["content"] for turn in row.get("messages") or row["prompt"] if turn["role"] == "user")
                for name in (row["id"].partition(":")[0], " ".join(words_of(question))):
                    sides.setdefault(name, set()).add(side)
    assert [name for name, seen in sides.items() if len(seen) > 1] == []
    directions = Counter(row["id"].partition(":")[0] for rows in written(whole[0], "sft").values() for row in rows if "direction" in row)
    assert len(directions) > 50 and set(directions.values()) == {6}


def test_shares_are_as_asked_and_each_language_is_held_out(whole: tuple[Path, Any]) -> None:
    for kind in ("sft", "preference", "tools"):
        rows = written(whole[0], kind)
        assert len(rows["heldout"]) / (len(rows["train"]) + len(rows["heldout"])) == pytest.approx(0.2, abs=0.04), kind
        assert {row["lang"] for row in rows["heldout"]} == {"kk", "ru", "en"}
        own = [row["id"] for side in rows.values() for row in side]
        assert len(set(own)) == len(own)


def test_no_heldout_answer_stands_in_a_training_pair(whole: tuple[Path, Any]) -> None:
    kept = {row["messages"][-1]["content"] for row in written(whole[0], "sft")["heldout"]}
    rejected = [row["rejected"][-1]["content"] for row in written(whole[0], "preference")["train"]]
    assert len(rejected) > 200 and not [text for text in rejected if text in kept]


def test_rows_say_what_they_are_and_whose(whole: tuple[Path, Any]) -> None:
    keys = {"sft": {"messages"}, "preference": {"prompt", "chosen", "rejected", "why", "length_matched"}, "tools": {"messages", "tools"}}
    for kind, own in keys.items():
        for row in (row for rows in written(whole[0], kind).values() for row in rows):
            assert set(row) - {"direction"} == {"id", "lang", "task", "source", "license", *own}
            assert row["license"] == ("CC0-1.0" if row["source"] == "parallel" else LICENSE)


def test_the_datasheet_counts_what_is_in_the_files(whole: tuple[Path, Any]) -> None:
    folder, facts = whole
    for kind in ("sft", "preference", "tools"):
        rows = written(folder, kind)
        assert facts["examples"][kind] == {"heldout": len(rows["heldout"]), "train": len(rows["train"]), "train rows": len(rows["train"])}
        for side, those in rows.items():
            assert facts["kinds"][kind][f"languages {side}"] == dict(sorted(Counter(row["lang"] for row in those).items()))
    matched = sum(row["length_matched"] for rows in written(folder, "preference").values() for row in rows)
    assert facts["kinds"]["preference"]["lengths"]["matched"] == matched > 100
    went = [*read_rows(folder / "quarantine.jsonl"), *read_rows(folder / "removed.jsonl.zst")]
    assert sum(facts["removed"].values()) == len(went) > 0 and all(row["reason"] for row in went)
    page = (folder / "datasheet.md").read_text()
    assert f"train {facts['examples']['sft']['train']:,}" in page and "CC0-1.0" in page


def _rows(count: int, **more: Any) -> list[Row]:
    towns = ("Алматы", "Астана", "Шымкент", "Ақтау", "Орал", "Семей", "Тараз", "Көкшетау", "Талдықорған", "Қостанай")
    return [
        conversation(
            f"{n}", f"{towns[n % 10]} қаласы туралы {n} қызық дерек айтшы", f"{n}. {towns[n % 10]} — үлкен қала.", lang="kk", **more
        )
        for n in range(count)
    ]


def _source(path: Path, rows: list[Row], **more: Any) -> Row:
    write_rows(path, rows)
    return {"name": path.stem, "path": str(path), "license": "MIT", "kind": "sft", **more}


def test_weights_and_limits(tmp_path: Path, data: Path) -> None:
    rows = _rows(200)
    sources = [
        _source(tmp_path / "once.jsonl", rows[:50]),
        _source(tmp_path / "often.jsonl", rows[50:100], weight=2.5),
        _source(tmp_path / "seldom.jsonl", rows[100:150], weight=0.4),
        _source(tmp_path / "some.jsonl", rows[150:], most=12),
        PAIRS,
    ]
    facts = run(job(tmp_path / "run", data, sources, heldout=0.0, make={"pairs": 0.0}, near_duplicate_similarity=0.99))
    seen = Counter(row["source"] for row in written(tmp_path / "run", "sft")["train"])
    assert seen["once"] == 50 and seen["some"] == 12
    assert 110 <= seen["often"] <= 140 and 10 <= seen["seldom"] <= 30
    assert facts["examples"]["sft"]["left out by weight"] == 50 - seen["seldom"] and facts["removed"] == {
        "more than asked for": 24
    }  # of the 36 that were read
    assert written(tmp_path / "run", "sft")["heldout"] == []


def test_duplicates_go_and_the_first_stays(tmp_path: Path, data: Path) -> None:
    long = "Қайнаған суға бір уыс шай салып, бес минут демдеп, содан соң сүт қосып, пиялаға құйып, дастарқанға ыстықтай әкеледі. " * 2
    first = [conversation("a", "Шай қалай демделеді?", long, lang="kk")]
    second = [
        conversation("b", "шай қалай   демделеді", long.upper(), lang="kk"),
        conversation("c", "Шай қалай демделеді?", long.replace("пиялаға", "кесеге", 1), lang="kk"),
        conversation("d", "Шай қалай демделеді?", "Қайнаған суға салып, бес минут күтесіз.", lang="kk"),
    ]
    sources = [_source(tmp_path / "one.jsonl", first), _source(tmp_path / "two.jsonl", second), PAIRS]
    run(job(tmp_path / "run", data, sources, heldout=0.0))
    gone = {row["id"]: row["reason"] for row in read_rows(tmp_path / "run" / "removed.jsonl.zst")}
    assert gone == {"two/b": "exact-duplicate: of one/a", "two/c": "near-duplicate: of one/a"}


def test_sources_that_cannot_be_used_are_named(tmp_path: Path, data: Path) -> None:
    missing = {**SFT, "path": str(tmp_path / "none.jsonl")}
    with pytest.raises(DataError, match="source sft: no such file"):
        run(job(tmp_path / "a", data, [missing, PAIRS]))
    bad = _source(tmp_path / "bad.jsonl", [conversation("x", "", "Жауап", lang="kk")])
    with pytest.raises(DataError, match=r"source bad: not one usable example(.|\n)*1 rows were refused, the first \(bad.jsonl:1\)"):
        run(job(tmp_path / "b", data, [bad, PAIRS]))
    with pytest.raises(DataError, match=r"evaluation set gone\.jsonl: no such file"):
        run(job(tmp_path / "c", data, [SFT, PAIRS], against=["gone.jsonl"]))


def test_what_is_evaluated_leaves_the_examples(tmp_path: Path, data: Path) -> None:
    """A task's question, a sentence of a test set of translation, and a held-out document's text."""
    task = next(read_rows(Path(f"{PLACE}/mcq.jsonl")))["question"]
    sentence = next(read_rows(Path(f"{PLACE}/translation.jsonl")))["ru"]
    document = next(read_rows(data / "heldout" / "kk.jsonl.zst"))["text"]
    rows = [conversation("task", task, "Білмеймін."), conversation("ru", f"Переведи: {sentence}", "Көл қатты.", task="translation")]
    rows += [conversation("document", f"Қысқарт: {document[:400]}", "Киіз үй туралы."), *_rows(4)]
    sources = [_source(tmp_path / "leak.jsonl", [{"lang": "kk", **row} for row in rows]), PAIRS]
    run(job(tmp_path / "run", data, sources, against=[f"{PLACE}/translation.jsonl"]))
    reasons = {row["line"]: row["reason"].partition(" of")[0] for row in read_rows(tmp_path / "run" / "quarantine.jsonl")}
    assert reasons == {1: "contaminated: sample_mcq", 2: "contaminated: translation.jsonl", 3: reasons[3]}
    assert reasons[3].startswith("heldout-overlap")


def test_the_answer_of_a_translation_is_known_by_its_own_language(tmp_path: Path, data: Path) -> None:
    """A refusal or an off-topic answer must be in the language that was asked for, which a source's rows do not tell."""
    english = [row["en"] for row in read_rows(Path(f"{PLACE}/translation.jsonl"))]
    kazakh = [row["kk"] for row in read_rows(Path(f"{PLACE}/translation.jsonl"))]
    rows = [
        conversation(f"{n}", f"Ағылшын тіліне аудар: {kk}", en, lang="kk") for n, (kk, en) in enumerate(zip(kazakh, english, strict=True))
    ]
    sources = [_source(tmp_path / "unmarked.jsonl", rows), PAIRS]
    run(job(tmp_path / "run", data, sources, heldout=0.0, against=[], make={"pairs": 1.0}))
    assert {row["task"] for row in written(tmp_path / "run", "sft")["train"]} == {"translation"}
    made = [row for row in written(tmp_path / "run", "preference")["train"] if row["source"] == "unmarked"]
    assert len(made) > 50
    for row in made:
        rejected = row["rejected"][0]["content"]
        if row["why"] in ("refusal", "empty politeness", "off topic"):
            assert rejected.isascii(), rejected


def test_parquet_rows_with_the_keys_of_all_rows(tmp_path: Path, data: Path) -> None:
    """A parquet column has one shape for all rows: arguments that a call lacks are there as null, and so are calls."""
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = list(read_rows(Path(f"{PLACE}/tools.jsonl")))[:40]
    tools = [{**row, "tools": json.dumps(row["tools"])} for row in rows]  # a struct of all schemas would not be one
    parquet.write_table(pyarrow.Table.from_pylist(tools), tmp_path / "tools.parquet")
    source = {"name": "parquet", "path": str(tmp_path / "tools.parquet"), "license": LICENSE, "kind": "tools"}
    run(job(tmp_path / "run", data, [SFT, PAIRS, source], heldout=0.0))
    found = {row["id"].partition("/")[2]: row for row in written(tmp_path / "run", "tools")["train"]}
    assert {name: row["messages"] for name, row in found.items()} == {row["id"]: row["messages"] for row in rows}
    assert all(found[row["id"]]["tools"] == row["tools"] for row in rows)


@pytest.mark.slow
def test_a_hub_data_set_is_read_in_parts(tmp_path: Path, data: Path) -> None:
    """A local folder in a hub's layout, two files read as two units."""
    rows = list(read_rows(Path(f"{PLACE}/sft.jsonl")))
    for number in range(2):
        write_rows(
            tmp_path / "set" / f"train-{number}.jsonl", [{"messages": row["messages"], "lang": row["lang"]} for row in rows[number::2]]
        )
    hub = {"name": "hub", "hub": {"dataset": str(tmp_path / "set"), "parts": 2}, "license": LICENSE, "kind": "sft"}
    facts = run(job(tmp_path / "run", data, [hub, PAIRS], heldout=0.0))
    texts = {row["messages"][-1]["content"] for row in written(tmp_path / "run", "sft")["train"]}
    wanted = {row["messages"][-1]["content"] for row in rows}
    assert texts <= wanted and len(wanted - texts) == 1  # what is in a held-out document
    assert facts["sources"]["hub"]["kept"] == len(rows) - 1
