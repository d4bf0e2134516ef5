"""Pretraining killed at its worst moments, asked to stop, or out of disk, ends with the curve and weights of an undisturbed run."""

import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributed.checkpoint import FileSystemReader
from torch.distributed.checkpoint.default_planner import _EmptyStateDictLoadPlanner
from torch.distributed.checkpoint.state_dict_loader import _load_state_dict

from kishi import manifest
from kishi.checkpoints import fault, folder_of
from tests.train import tiny_run
from tests.train.tiny_run import CHECKPOINT_EVERY, PHASE1, PHASE2

pytestmark = pytest.mark.slow

FILE_LIMIT = 300_000  # bytes; a checkpoint has 1.6 MB


def small_files() -> None:
    """What is written beyond the limit fails as it does on a full disk, after its first part is there."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_LIMIT, FILE_LIMIT))


def saved_tensors(runs: Path, phase: int) -> dict[str, torch.Tensor]:
    """Weights and optimiser state in the phase's last checkpoint."""
    steps = PHASE1 + (PHASE2 if phase == 2 else 0)
    reader = FileSystemReader(folder_of(runs / "kishi-tiny" / f"pretrain-phase{phase}" / "checkpoints", steps))
    state: dict[str, Any] = {}
    _load_state_dict(state, storage_reader=reader, planner=_EmptyStateDictLoadPlanner(), no_dist=True)
    return dict(_tensors(state, ""))


def _tensors(state: dict[str, Any], prefix: str) -> Iterator[tuple[str, torch.Tensor]]:
    for name, value in state.items():
        if isinstance(value, dict):
            yield from _tensors(value, f"{prefix}{name}.")
        elif isinstance(value, torch.Tensor):
            yield f"{prefix}{name}", value


def assert_same_end(runs: Path, undisturbed: Path, phase: int) -> None:
    assert tiny_run.metrics(runs, phase) == tiny_run.metrics(undisturbed, phase)
    found, expected = saved_tensors(runs, phase), saved_tensors(undisturbed, phase)
    assert found.keys() == expected.keys() and any("exp_avg_sq" in name for name in expected)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    manifest.verify(runs / "kishi-tiny" / f"pretrain-phase{phase}")


def test_phase1_is_the_same_after_a_full_disk_three_kills_and_a_request_to_stop(undisturbed: Path, copy_of: Callable[..., Path]) -> None:
    runs = copy_of("data", "tokenizer", "index")
    checkpoints = tiny_run.partial_checkpoints(runs, 1)
    first, second = folder_of(checkpoints, CHECKPOINT_EVERY), folder_of(checkpoints, 2 * CHECKPOINT_EVERY)

    full = tiny_run.run(runs, "pretrain-phase1", limit=small_files)
    assert full.returncode == 1 and "could not be written" in full.stderr and "free some space" in full.stderr
    assert "Traceback" not in full.stderr and "ChildFailedError" not in full.stderr
    assert first.is_dir() and fault(first) == "was cut off while it was written"

    # before the first checkpoint
    tiny_run.kill_when(runs, "pretrain-phase1", lambda: not first.exists() and tiny_run.last_step(runs, 1) >= 1)
    assert not first.exists()

    # asked to stop between checkpoints: one more is saved
    asked = tiny_run.stop_when(runs, "pretrain-phase1", lambda: tiny_run.last_step(runs, 1) > CHECKPOINT_EVERY, signal.SIGTERM)
    step = tiny_run.last_step(runs, 1)
    assert asked.returncode == 75 and f"stopped by SIGTERM: {step} of {PHASE1} steps are saved" in asked.stderr
    assert CHECKPOINT_EVERY < step < 2 * CHECKPOINT_EVERY and fault(folder_of(checkpoints, step)) is None
    assert "Traceback" not in (checkpoints.parent / ".train.log").read_text().rpartition("engine:")[2]

    # while a checkpoint is written
    tiny_run.kill_when(runs, "pretrain-phase1", second.exists)
    assert fault(first) is None and fault(second) == "was cut off while it was written"

    # between checkpoints; the cut one is not started from
    tiny_run.kill_when(runs, "pretrain-phase1", lambda: fault(second) is None and tiny_run.last_step(runs, 1) > 2 * CHECKPOINT_EVERY)

    done = tiny_run.run(runs, "pretrain-phase1")
    assert done.returncode == 0, done.stderr
    assert_same_end(runs, undisturbed, 1)


def test_phase2_is_the_same_after_a_kill_while_its_checkpoint_is_written(undisturbed: Path, copy_of: Callable[..., Path]) -> None:
    runs = copy_of("data", "tokenizer", "index", "pretrain-phase1")
    last = folder_of(tiny_run.partial_checkpoints(runs, 2), PHASE1 + PHASE2)
    tiny_run.kill_when(runs, "pretrain-phase2", last.exists)
    assert fault(last) is not None
    done = tiny_run.run(runs, "pretrain-phase2")
    assert done.returncode == 0 and "was cut off while it was written: removed" in done.stdout.replace("\n", " ")
    assert_same_end(runs, undisturbed, 2)


def test_the_curve_has_every_step_once_and_a_measurement_before_the_first(undisturbed: Path) -> None:
    first, second = tiny_run.metrics(undisturbed, 1), tiny_run.metrics(undisturbed, 2)
    assert [row["step"] for row in first if "loss" in row] == list(range(1, PHASE1 + 1))
    assert [row["step"] for row in second if "loss" in row] == list(range(PHASE1 + 1, PHASE1 + PHASE2 + 1))
    assert first[0]["step"] == 0 and second[0]["step"] == PHASE1
    assert second[0]["bits_per_byte"] == pytest.approx(first[-1]["bits_per_byte"], rel=1e-5)  # the same weights, loaded again
    facts = manifest.read(undisturbed / "kishi-tiny" / "pretrain-phase2").facts
    assert facts["bits_per_byte"] == {"first": second[0]["bits_per_byte"], "last": second[-1]["bits_per_byte"]}
    assert facts["phase_tokens"] == PHASE2 * 32 * 128 == sum(row["tokens"] for row in facts["languages"].values())
    assert facts["peak_memory_bytes"] > 2e8 and facts["training_seconds"] > 0
