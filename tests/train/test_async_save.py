"""On a GPU checkpoints are written while training goes on: none counts before it is whole, and a kill leaves neither halves nor writers."""

import shutil
import signal
from pathlib import Path

import pytest

from kishi.checkpoints import fault, folder_of, whole
from tests.train import tiny_run
from tests.train.tiny_run import CHECKPOINT_EVERY, PHASE1

pytestmark = pytest.mark.gpu
GPU = ("--hw", "1xh100")


@pytest.fixture(scope="module")
def runs(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three runs folders with data, tokenizer and index."""
    folders = [tmp_path_factory.mktemp(name) for name in ("calm", "killed", "stopped")]
    for folder in folders:
        for stage in ("data", "tokenizer", "index"):
            shutil.copytree(prepared / "kishi-tiny" / stage, folder / "kishi-tiny" / stage)
    return folders


def test_asynchronous_checkpoints_are_whole_and_survive_a_kill_of_the_stage_alone(runs: list[Path]) -> None:
    calm, killed, _ = runs
    done = tiny_run.run(calm, "pretrain-phase1", *GPU)
    assert done.returncode == 0, done.stderr
    finished = calm / "kishi-tiny" / "pretrain-phase1"
    log = (finished / ".train.log").read_text()
    assert log.count("scheduled an async checkpoint save") == PHASE1 // CHECKPOINT_EVERY
    assert whole(finished / "checkpoints") == list(range(CHECKPOINT_EVERY, PHASE1 + 1, CHECKPOINT_EVERY))

    second = folder_of(tiny_run.partial_checkpoints(killed, 1), 2 * CHECKPOINT_EVERY)
    tiny_run.kill_when(killed, "pretrain-phase1", second.exists, *GPU, alone=True)  # fails if a process is left over
    assert fault(folder_of(second.parent, CHECKPOINT_EVERY)) is None
    done = tiny_run.run(killed, "pretrain-phase1", *GPU)
    assert done.returncode == 0 and "going on from an earlier attempt" in done.stdout, done.stderr
    again = tiny_run.metrics(killed, 1)
    assert [row["step"] for row in again] == [row["step"] for row in tiny_run.metrics(calm, 1)]
    for ours, theirs in zip(again, tiny_run.metrics(calm, 1), strict=True):
        assert ours.get("loss") == pytest.approx(theirs.get("loss"), abs=2e-3)  # a GPU's sums may differ in their order
    assert whole(killed / "kishi-tiny" / "pretrain-phase1" / "checkpoints") == whole(finished / "checkpoints")


def test_a_request_to_stop_waits_until_the_checkpoint_is_written(runs: list[Path]) -> None:
    stopped = runs[2]
    asked = tiny_run.stop_when(stopped, "pretrain-phase1", lambda: tiny_run.last_step(stopped, 1) > CHECKPOINT_EVERY, signal.SIGTERM, *GPU)
    step = tiny_run.last_step(stopped, 1)
    assert asked.returncode == 75 and f"{step} of {PHASE1} steps are saved" in asked.stderr
    assert fault(folder_of(tiny_run.partial_checkpoints(stopped, 1), step)) is None
    done = tiny_run.run(stopped, "pretrain-phase1", *GPU)
    assert done.returncode == 0, done.stderr
    steps = [row["step"] for row in tiny_run.metrics(stopped, 1) if "loss" in row]
    assert steps == list(range(1, PHASE1 + 1))
