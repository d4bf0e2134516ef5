"""Real steps on two processes whose loss is not a number, or a spike: nothing of them gets into the model, and too many stop the run."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from kishi import failure
from kishi.checkpoints import whole
from kishi.jsonl import read_rows
from recipes.loading import load_hardware, load_recipe
from tests.train.poisoned_worker import NOT_A_NUMBER, SPIKE
from tests.train.tiny_run import SETTINGS
from train.plan import Plan

pytestmark = pytest.mark.slow

HERE = {
    "pretrain.spike.window": 4,
    "pretrain.spike.factor": 1,  # the loss still falls fast, which widens the deviation; no sound step rises
    "pretrain.spike.skips_in_a_row": 2,
    "pretrain.checkpoint_every": 3,
    "pretrain.keep.last": 1,
    "pretrain.evaluate_every": 100,
}


@pytest.fixture(scope="module")
def poisoned(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a phase that met bad batches until it stopped."""
    folder, index = tmp_path_factory.mktemp("poisoned"), prepared / "kishi-tiny" / "index"
    recipe = load_recipe(Path("recipes/kishi-tiny.yaml"), [f"{key}={value}" for key, value in {**SETTINGS, **HERE}.items()])
    shutil.copyfile(prepared / "kishi-tiny" / "tokenizer" / "tokenizer.json", folder / ".tokenizer.json")
    blend = json.loads((index / "blend.json").read_bytes())["dirty"]
    Plan(recipe, load_hardware("cpu-2"), 1, folder, index, None, 0, blend).save(folder / ".plan.json")
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "tests.train.poisoned_worker"]
    environment = {**os.environ, "TORCHDYNAMO_DISABLE": "1", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *command, str(folder / ".plan.json")], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0 and (folder / failure.NOTE).is_file(), done.stderr[-3000:]
    return folder


def test_faulty_steps_change_neither_weights_nor_moments(poisoned: Path) -> None:
    for rank in range(2):
        rows = list(read_rows(poisoned / f"diary-{rank}.jsonl"))
        assert [row["step"] for row in rows] == list(range(1, 15))
        for before, after in pairwise(rows):
            assert (after["state"] == before["state"]) == (after["step"] in (*NOT_A_NUMBER, *SPIKE)), after
        assert [row["schedule"] for row in rows[:-1]] == [32 * step for step in range(1, 14)]  # the batches are used up all the same


def test_metrics_say_which_steps_were_skipped_and_why(poisoned: Path) -> None:
    rows = {row["step"]: row for row in read_rows(poisoned / "metrics.jsonl") if "bits_per_byte" not in row}
    assert {step for step, row in rows.items() if "skipped" in row} == {5, 9, 12, 13}
    assert rows[5]["skipped"] == "the loss is nan" and "is a spike, above" in rows[9]["skipped"]
    assert all("loss" in row for row in rows.values() if "skipped" not in row)


def test_too_many_in_a_row_stop_and_no_checkpoint_of_a_faulty_step_stays(poisoned: Path) -> None:
    message = failure.read(poisoned, []).message()
    assert "the loss is nan at step 14: training diverged (3 steps skipped in a row)" in message and "pretrain.learning_rate" in message
    assert whole(poisoned / "checkpoints") == [6] and len(list((poisoned / "checkpoints").glob("*iter_*"))) == 1


def test_a_phase_that_is_told_to_stops_at_once(prepared: Path, copy_of: Callable[..., Path]) -> None:
    from tests.train import tiny_run

    runs = copy_of("data", "tokenizer", "index")
    done = tiny_run.run(runs, "pretrain-phase1", "--set", "pretrain.learning_rate=1e20", "--set", "pretrain.on_divergence=stop")
    assert done.returncode == 1 and "training diverged" in done.stderr and "pretrain.learning_rate" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 2  # what and where, and the fix: nothing of torchrun's
    assert not list(tiny_run.partial_checkpoints(runs, 1).glob("iter_*")) and tiny_run.last_step(runs, 1) <= 2
    assert "Traceback" in (tiny_run.partial_checkpoints(runs, 1).parent / ".train.log").read_text()
