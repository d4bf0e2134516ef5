"""Every stage for real at the smallest size, from the command line as a user runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SMALL = {
    "tokenizer.vocab_size": 1024,
    "model.layers": 2,
    "pretrain.phases.0.steps": 12,
    "pretrain.phases.1.steps": 8,
    "pretrain.warmup_steps": 2,
    "pretrain.evaluate_every": 10,
    "pretrain.checkpoint_every": 10,
    "pretrain.sample_tokens": 4,
    "sft.epochs": 0.2,
    "dpo.epochs": 0.2,
    "reward.epochs": 0.2,
    "reward.prompts": 2,
    "gguf.types": "[F16, Q8_0]",
}


def _run(runs: Path, stage: str, *more: str) -> subprocess.CompletedProcess[str]:
    sets = [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
    command = [sys.executable, "-m", "recipes.run", "recipes/kishi-tiny.yaml", stage, "--hw", "cpu", *sets, *more]
    return subprocess.run(command, env={**os.environ, "KISHI_RUNS": str(runs)}, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    done = _run(folder, "all")
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def _facts(runs: Path, stage: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((runs / "kishi-tiny" / stage / "manifest.json").read_text())["facts"]
    return facts


def test_training_learns_and_all_forms_agree(runs: Path) -> None:
    models = _facts(runs, "eval")["models"]
    assert list(models)[:6] == ["unigram", "untrained", "phase1", "phase2", "sft", "dpo"]
    for language in ("kk", "ru", "en"):
        bits = {name: row["bits_per_byte"][language] for name, row in models.items()}
        assert bits["phase2"] < bits["phase1"] < bits["untrained"]
        assert bits["gguf-F16"] == pytest.approx(bits["dpo"], rel=5e-3)
    # Megatron's own measurement and the exported model's are of the same text by different code
    last = _facts(runs, "pretrain-phase2")["bits_per_byte"]["last"]
    assert models["phase2"]["bits_per_byte"] == pytest.approx(last, rel=1e-4)
    for task, quick in _facts(runs, "pretrain-phase2")["multiple_choice"]["last"].items():
        assert quick["n"] == 50 and models["phase2"]["tasks"][f"{task}@2.1"]["acc"] == pytest.approx(
            quick["acc"], abs=0.021
        )  # one tie of 50


def test_everything_in_the_report_belongs_together(runs: Path) -> None:
    page = (runs / "kishi-tiny" / "report" / "index.html").read_text(encoding="utf-8")
    assert "Remarks" not in page and "stale" not in page
    done = _run(runs, "status")
    assert done.stdout.count(" done ") == 13 and "stale" not in done.stdout


def test_the_second_time_nothing_is_done(runs: Path) -> None:
    before = (runs / "kishi-tiny" / "pretrain-phase1" / "manifest.json").read_bytes()
    done = _run(runs, "pretrain", "--phase", "1")
    assert done.returncode == 0 and "up to date" in done.stdout
    assert (runs / "kishi-tiny" / "pretrain-phase1" / "manifest.json").read_bytes() == before


def test_a_damaged_index_is_refused(runs: Path) -> None:
    path = runs / "kishi-tiny" / "index" / "clean" / "kk-00000.bin"
    whole = path.read_bytes()
    path.write_bytes(whole[:-2])
    try:
        done = _run(runs, "pretrain", "--phase", "2")
    finally:
        path.write_bytes(whole)
    assert done.returncode == 1 and "kk-00000.bin" in done.stderr and "Traceback" not in done.stderr


def _chat(model: Path, said: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "serve.chat", str(model), "--max-tokens", "8", "--temperature", "0"]
    return subprocess.run(command, input=said, capture_output=True, text=True, check=False)


def test_chat_answers_and_survives_a_question_that_does_not_fit(runs: Path) -> None:
    model = runs / "kishi-tiny" / "gguf" / "model-Q8_0.gguf"
    question = "Қазақстан туралы айтшы.\n"
    once, forgotten = _chat(model, question), _chat(model, f"{question}/clear\n{question}")
    assert once.returncode == forgotten.returncode == 0, once.stderr + forgotten.stderr
    answer, turns = once.stdout.split("> ")[1], forgotten.stdout.split("> ")
    assert answer.rstrip("\n") and turns[1] == turns[3] == answer  # greedy: with the first turn forgotten it is the same question
    long = _chat(model, "ұзақ сөз " * 400 + f"\n/clear\n{question}/exit\nnot read\n")
    turns = long.stdout.split("> ")
    assert long.returncode == 0 and "exceed" in turns[1] and turns[3] == answer and len(turns) == 5 and "Traceback" not in long.stderr


def test_chat_refuses_what_is_no_model(runs: Path) -> None:
    for path, words in ((runs / "none.gguf", "no such file"), (runs / "kishi-tiny" / "gguf" / "manifest.json", "not a GGUF file")):
        done = _chat(path, "")
        assert done.returncode == 1 and words in done.stderr and "Traceback" not in done.stderr
