"""The chat stages in two processes: the same losses as in one."""

import json
from pathlib import Path

import pytest

from kishi.errors import KishiError
from posttrain import launch
from recipes.hardware import Hardware
from tests.posttrain.conftest import STAGES

SAME = ("loss", "heldout_loss", "heldout_margin", "learning_rate", "tokens", "margin", "accuracy")


def test_a_batch_that_cannot_be_shared_out_is_refused() -> None:
    hardware = Hardware(device="cpu", processes=3, micro_batch_size=1, precision="fp32")
    assert launch.share_of(6, hardware) == 2
    with pytest.raises(KishiError, match="3 processes cannot share 8 examples a step evenly"):
        launch.share_of(8, hardware)


@pytest.mark.slow
def test_two_processes_give_the_losses_of_one(chat_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.posttrain.chat_runs import job_of

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    job = job_of(chat_runs, "all", "two", "cpu-2")
    job.folder.mkdir(parents=True)
    facts = launch.run(job, "tests.posttrain.chat_runs:all_stages", batch=4)
    for stage in STAGES:
        rows, alone = (
            [json.loads(line) for line in (f / "metrics.jsonl").read_text().splitlines()]
            for f in (job.folder / stage, chat_runs / "whole" / stage)
        )
        assert [row["step"] for row in rows] == [row["step"] for row in alone] and len(rows) > 4
        for row, other in zip(rows, alone, strict=True):
            assert {key: row[key] for key in SAME if key in row} == pytest.approx(
                {key: other[key] for key in SAME if key in other}, abs=2e-4
            )
        whole = json.loads((chat_runs / "whole" / stage / "facts.json").read_text())
        assert facts[stage]["processes"] == 2 and facts[stage]["steps"] == whole["steps"] and facts[stage]["examples"] == whole["examples"]


@pytest.mark.slow
def test_a_workers_error_is_what_is_read(chat_runs: Path) -> None:
    from tests.posttrain.chat_runs import job_of

    job = job_of(chat_runs, "all", "failing", "cpu-2")
    job.folder.mkdir(parents=True)
    with pytest.raises(KishiError, match="no such thing"):
        launch.run(job, "tests.posttrain.failing:train", batch=4)
