"""The pretraining stage on another number of processes, and its refusals."""

import fcntl
import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from kishi.checkpoints import folder_of, whole
from kishi.errors import ArtefactError, KishiError
from kishi.jsonl import Row
from recipes.job import Job
from recipes.loading import load_hardware, load_recipe
from tests.train import tiny_run
from tests.train.tiny_run import PHASE1, PHASE2
from train.pretrain import run_phase1, run_phase2

LOSS_TOLERANCE = 1e-4  # nats: sums are added up in another order; 1e-6 was measured


def rewind(runs: Path, step: int) -> Path:
    """Phase 1 as a kill after the checkpoint of `step` would have left it: that checkpoint's folder."""
    final, partial = runs / "kishi-tiny" / "pretrain-phase1", runs / "kishi-tiny" / "pretrain-phase1.partial"
    final.rename(partial)
    (partial / "manifest.json").unlink()
    for later in [number for number in whole(partial / "checkpoints") if number > step]:
        shutil.rmtree(folder_of(partial / "checkpoints", later))
    return folder_of(partial / "checkpoints", step)


@pytest.mark.slow
def test_a_phase_goes_on_with_more_and_with_fewer_processes(undisturbed: Path, copy_of: Callable[..., Path]) -> None:
    runs = copy_of("data", "tokenizer", "index", "pretrain-phase1")
    assert rewind(runs, 6).is_dir()
    for overlay in ("cpu-2", "cpu"):
        done = tiny_run.run(runs, "pretrain-phase1", "--hw", overlay)
        assert done.returncode == 0 and "going on from an earlier attempt" in done.stdout, done.stderr
        compare(tiny_run.metrics(runs, 1), tiny_run.metrics(undisturbed, 1))
        if overlay == "cpu-2":
            rewind(runs, 12)
    assert "up to date" in tiny_run.run(runs, "pretrain-phase1", "--hw", "cpu-2").stdout  # where it runs decides nothing


@pytest.mark.slow
def test_two_processes_go_on_from_one_and_stop_together_with_the_same_curve(undisturbed: Path, copy_of: Callable[..., Path]) -> None:
    runs = copy_of("data", "tokenizer", "index", "pretrain-phase1")
    first = tiny_run.stop_when(runs, "pretrain-phase2", lambda: tiny_run.last_step(runs, 2) > 0, signal.SIGUSR1, "--hw", "cpu-2")
    assert first.returncode == 75 and f"of {PHASE1 + PHASE2} steps are saved" in first.stderr
    done = tiny_run.run(runs, "pretrain-phase2", "--hw", "cpu-2")
    assert done.returncode == 0, done.stderr
    compare(tiny_run.metrics(runs, 2), tiny_run.metrics(undisturbed, 2))


def compare(found: list[Row], expected: list[Row]) -> None:
    assert [row["step"] for row in found] == [row["step"] for row in expected]
    for ours, theirs in zip(found, expected, strict=True):
        for key in ("loss", "bits_per_byte", "bits_per_byte_dirty", "learning_rate"):
            assert ours.get(key) == pytest.approx(theirs.get(key), abs=LOSS_TOLERANCE), (key, ours["step"])


def job(runs: Path, *settings: str) -> Job:
    sets = [*(f"{key}={value}" for key, value in tiny_run.SETTINGS.items()), *settings]
    inputs = {name: runs / "kishi-tiny" / name for name in ("data", "tokenizer", "index", "pretrain-phase1")}
    folder = runs / "kishi-tiny" / "out"
    folder.mkdir()
    return Job(load_recipe(Path("recipes/kishi-tiny.yaml"), sets), load_hardware("cpu"), folder, inputs)


def test_an_index_of_another_tokenizer_is_refused(prepared: Path, copy_of: Callable[..., Path]) -> None:
    made = job(copy_of("tokenizer", "index"))
    manifest = made.inputs["tokenizer"] / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "seconds": -1.0}))  # a tokenizer trained again
    with pytest.raises(ArtefactError, match="another tokenizer"):
        run_phase1(made)


def test_a_vocabulary_other_than_the_recipes_is_refused(prepared: Path, copy_of: Callable[..., Path]) -> None:
    with pytest.raises(ArtefactError, match="768 tokens, the recipe says 1024"):
        run_phase1(job(copy_of("tokenizer", "index"), "tokenizer.vocab_size=1024"))


def test_a_damaged_checkpoint_of_phase1_is_refused(undisturbed: Path, copy_of: Callable[..., Path]) -> None:
    made = job(copy_of("tokenizer", "index", "pretrain-phase1"))
    hidden = next((made.inputs["pretrain-phase1"] / "checkpoints").glob("iter_0000018/.metadata"))
    hidden.unlink()  # the manifest does not list hidden files
    with pytest.raises(ArtefactError, match=r"the last checkpoint \.metadata is missing"):
        run_phase2(made)
    shutil.rmtree(made.inputs["pretrain-phase1"] / "checkpoints" / "iter_0000018")
    with pytest.raises(ArtefactError, match="delete"):
        run_phase2(made)


def test_a_second_process_in_the_same_folder_is_refused(prepared: Path, copy_of: Callable[..., Path]) -> None:
    made = job(copy_of("tokenizer", "index"))
    with (made.folder / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(KishiError, match="another process is training here"):
            run_phase1(made)
