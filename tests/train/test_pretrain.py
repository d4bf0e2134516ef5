"""The pretraining stage on two processes, and its refusals."""

import fcntl
import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from kishi.errors import ArtefactError, KishiError
from recipes.job import Job
from recipes.loading import load_hardware, load_recipe
from tests.train import tiny_run
from tests.train.tiny_run import PHASE1, PHASE2
from train.pretrain import run_phase1, run_phase2

LOSS_TOLERANCE = 1e-4  # nats: sums are added up in another order; 1e-6 was measured


def test_two_processes_go_on_from_one_and_stop_together_with_the_same_curve(undisturbed: Path, copy_of: Callable[..., Path]) -> None:
    runs = copy_of("data", "tokenizer", "index", "pretrain-phase1")
    first = tiny_run.stop_when(runs, "pretrain-phase2", lambda: tiny_run.last_step(runs, 2) > 0, signal.SIGUSR1, "--hw", "cpu-2")
    assert first.returncode == 75 and f"of {PHASE1 + PHASE2} steps are saved" in first.stderr
    done = tiny_run.run(runs, "pretrain-phase2", "--hw", "cpu-2")
    assert done.returncode == 0, done.stderr
    one, two = tiny_run.metrics(undisturbed, 2), tiny_run.metrics(runs, 2)
    assert [row["step"] for row in two] == [row["step"] for row in one] and sum("loss" in row for row in two) == PHASE2
    for ours, theirs in zip(two, one, strict=True):
        if "loss" in ours:
            assert ours["loss"] == pytest.approx(theirs["loss"], abs=LOSS_TOLERANCE)
        else:
            assert ours["bits_per_byte"] == pytest.approx(theirs["bits_per_byte"], abs=LOSS_TOLERANCE)


def test_a_diverged_run_stops_with_one_sentence_and_no_checkpoint(prepared: Path, copy_of: Callable[..., Path]) -> None:
    runs = copy_of("data", "tokenizer", "index")
    done = tiny_run.run(runs, "pretrain-phase1", "--hw", "cpu-2", "--set", "pretrain.learning_rate=1e20")
    assert done.returncode == 1 and "training diverged" in done.stderr and "pretrain.learning_rate" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 2  # what and where, and the fix: nothing of torchrun's
    assert not list(tiny_run.partial_checkpoints(runs, 1).glob("iter_*"))
    assert "Traceback" in (tiny_run.partial_checkpoints(runs, 1).parent / ".train.log").read_text()


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
