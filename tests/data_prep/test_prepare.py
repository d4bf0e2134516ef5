"""The data stage as a whole: on the sample, with several processes, killed, on damaged input, on Slurm's scripts."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from data_prep import inspect
from data_prep.prepare import run
from kishi.errors import DataError
from kishi.jsonl import read_rows
from tests.data_prep.documents import job

MANY_SHARDS = "data.shard_megabytes=0.15"


def _hashes(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "manifest.json")
    names = {path.relative_to(folder): path for path in files}
    visible = {name: path for name, path in names.items() if not any(part.startswith(".") for part in name.parts)}
    return {str(name): hashlib.sha256(path.read_bytes()).hexdigest() for name, path in visible.items()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("data") / "one"
    return folder, run(job(folder))


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "sharded"
    run(job(folder, MANY_SHARDS))
    return folder


def test_same_bytes_again(made: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    run(job(tmp_path))
    assert _hashes(tmp_path) == _hashes(made[0])


def test_mix_and_split(made: tuple[Path, dict[str, Any]]) -> None:
    folder, facts = made
    for tier in ("dirty", "clean"):
        assert facts["mix"][tier] == pytest.approx({"kk": 0.5, "ru": 0.25, "en": 0.25}, abs=0.02)
    held = {row["id"].rsplit("-", 1)[0] for path in folder.glob("heldout/*") for row in read_rows(path)}
    dirty = [row for path in folder.glob("heldout-dirty/*") for row in read_rows(path)]
    assert {row["lang"] for row in dirty} == {"kk", "ru", "en"} and {row["tier"] for row in dirty} == {"dirty"}
    assert {row["id"].split("~")[0].rsplit("-", 1)[0] for row in dirty} <= held
    trained = {row["id"].split("~")[0].rsplit("-", 1)[0] for path in folder.glob("corpus/*/*") for row in read_rows(path)}
    assert held and trained and not held & trained, "a held-out topic is trained on"


def test_cleaning_undoes_what_the_corruptor_did(made: tuple[Path, dict[str, Any]]) -> None:
    score = made[1]["cleaning_score"]
    assert all(row["documents"] > 10 and row["left"] == 0 for row in score["faults"].values()), score
    assert score["undamaged"]["documents"] > 50 and score["undamaged"]["wrongly_removed"] == 0


def test_nothing_is_lost_without_a_reason(made: tuple[Path, dict[str, Any]]) -> None:
    folder, facts = made
    removed = [row for path in folder.glob("removed/*") for row in read_rows(path)]
    documents = [row for row in removed if row["unit"] == "document"]
    assert all(row["reason"] for row in removed)
    kept = sum(sum(counts.values()) for counts in facts["documents"].values()) + sum(facts["heldout_documents"].values())
    kept += sum(facts["heldout_dirty_documents"].values())
    begun = sum(sum(rows[0]["documents"].values()) for rows in facts["funnel"].values())
    assert kept + len(documents) == begun
    assert sum(map(sum, (counts.values() for counts in facts["removed"].values()))) == len(documents)
    assert {row["source"] for row in facts["sources"]} == {"sample"}


def test_reasons_of_the_languages_add_up_to_those_of_the_tier(made: tuple[Path, dict[str, Any]]) -> None:
    facts = made[1]
    for tier, reasons in facts["removed"].items():
        assert reasons == dict(sum((Counter(counts) for counts in facts["removed_by_language"][tier].values()), Counter()))


def test_masks_survive_into_the_corpus(made: tuple[Path, dict[str, Any]]) -> None:
    text = "\n".join(row["text"] for path in made[0].glob("corpus/dirty/*.zst") for row in read_rows(path))
    assert all(mask in text for mask in ("[phone]", "[email]", "[iin]", "[card]"))


def test_datasheet_and_inspection(made: tuple[Path, dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    folder, facts = made
    page = (folder / "datasheet.html").read_text()
    assert str(facts["removed"]["dirty"]["near-duplicate"]) in page and "Apache-2.0" in page
    assert inspect.main([str(folder), "--reason", "near-duplicate", "--lang", "kk", "--samples", "2"]) == 0
    shown = capsys.readouterr().out
    kazakh = [row for row in read_rows(folder / "removed/duplicates.jsonl.zst") if (row["reason"], row["lang"]) == ("near-duplicate", "kk")]
    assert f"2 of {len(kazakh)} that match" in shown and "similarity" in shown
    assert inspect.main([str(folder), "--reason", "no such reason"]) == 1 and inspect.main([str(folder / "corpus")]) == 1


@pytest.mark.slow
def test_a_run_killed_at_each_step_ends_with_the_same_bytes(sharded: Path, tmp_path: Path) -> None:
    """Real SIGKILLs, to the whole process group, each right after a task of a step was marked finished."""
    command = [sys.executable, "-m", "recipes.run", "recipes/kishi-tiny.yaml", "data", "--hw", "cpu", "--set", MANY_SHARDS]
    environment = {**os.environ, "KISHI_RUNS": str(tmp_path)}
    partial = tmp_path / "kishi-tiny" / "data.partial"
    for step in ("clean", "pairs", "decontaminate", "mix"):
        process = subprocess.Popen(command, env=environment, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        completions = partial / ".work" / "logs" / step / "completions"
        while process.poll() is None and not (completions.is_dir() and any(completions.iterdir())):
            time.sleep(0.01)
        assert process.poll() is None, f"ended before {step}"
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert not (tmp_path / "kishi-tiny" / "data").exists()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert _hashes(tmp_path / "kishi-tiny" / "data") == _hashes(sharded)


def test_processes_do_not_change_the_result(sharded: Path, tmp_path: Path) -> None:
    made = job(tmp_path, MANY_SHARDS)
    object.__setattr__(made, "hardware", made.hardware.model_copy(update={"cpu_workers": 1}))
    run(made)
    assert _hashes(tmp_path) == _hashes(sharded) and len(list(tmp_path.glob("corpus/clean/*"))) > 3


@pytest.mark.parametrize("content", [b"", b"{broken\n", b'{"text":"no licence is no matter here"\n'])
def test_a_source_without_a_document_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(DataError, match="source sample: not one usable document"):
        run(job(tmp_path / "run", f"data.sources.0.path={tmp_path / 'a.jsonl'}"))


def test_a_mix_that_cannot_be_reached_is_an_error(tmp_path: Path) -> None:
    texts = [row["text"] for row in read_rows(Path("data/sample/corpus/nature.jsonl")) if row["lang"] == "kk"]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps({"lang": "kk", "text": text}) + "\n" for text in texts))
    with pytest.raises(DataError, match="no text left in ru, en"):
        run(job(tmp_path / "out", f"data.sources.0.path={tmp_path / 'in.jsonl'}", "data.corrupt=null", "pretrain.phases.0.tier=clean"))


def test_wrong_language_is_removed_and_bad_lines_counted(tmp_path: Path) -> None:
    rows = [row for path in Path("data/sample/corpus").glob("*.jsonl") for row in read_rows(path)]
    lines = [json.dumps(row) for row in rows] + [
        json.dumps({**rows[0], "id": "wrong", "lang": "ru" if rows[0]["lang"] != "ru" else "kk"}),
        "{",
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    facts = run(job(tmp_path / "out", f"data.sources.0.path={tmp_path / 'in.jsonl'}"))
    removed = {row["id"]: row["reason"] for row in read_rows(tmp_path / "out/removed/language.jsonl.zst") if row["unit"] == "document"}
    assert facts["quarantined"] == 1 and removed["wrong"].startswith("language-")
