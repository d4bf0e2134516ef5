"""Each phase reads its own data set from its first sample on, the same after a resume and on two processes."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kishi.jsonl import Row
from recipes.loading import load_hardware, load_recipe
from tests.train.tiny_run import SETTINGS
from train.plan import Plan

PHASE2 = 72  # steps: two and a half epochs of the clean sample
FIRST = 18 * 32  # samples of phase 1


@pytest.fixture(scope="module")
def read(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What phase 2 reads, from Megatron's own data sets over the real index."""
    sets = [f"{key}={value}" for key, value in {**SETTINGS, "pretrain.phases.1.steps": PHASE2}.items()]
    recipe, index = load_recipe(Path("recipes/kishi-tiny.yaml"), sets), prepared / "kishi-tiny" / "index"
    blend = json.loads((index / "blend.json").read_bytes())["clean"]
    folder = tmp_path_factory.mktemp("phase2")
    plan = Plan(recipe, load_hardware("cpu"), 2, folder, index, None, 18, blend)
    plan.save(folder / "plan.json")
    done = subprocess.run(
        [sys.executable, "-m", "tests.train.read_phase", str(folder / "plan.json")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result: Row = json.loads(done.stdout.splitlines()[-1])
    return {**result, "noted": json.loads((folder / ".samples_seen.json").read_bytes())}


def test_phase2_begins_at_the_first_sample_of_its_data(read: dict[str, Any]) -> None:
    assert len(read["own_order"]) == PHASE2 * 32 and len(set(read["own_order"])) > 1000
    assert read["phase"] == read["own_order"] == read["loaded"]


def test_a_resume_inside_the_phase_goes_on_where_it_was(read: dict[str, Any]) -> None:
    assert read["resumed"] == read["own_order"][PHASE2 * 16 :]


def test_two_processes_share_each_step_between_them(read: dict[str, Any]) -> None:
    steps = [read["own_order"][start : start + 32] for start in range(0, PHASE2 * 32, 32)]
    for rank, samples in enumerate(read["two_ranks"]):
        assert samples == [key for step in steps for key in step[rank * 16 : (rank + 1) * 16]]


def test_documents_are_seen_equally_often(read: dict[str, Any]) -> None:
    """As often as there are epochs, rounded up or down, but for what the last sample of an epoch cuts off."""
    for documents in read["covered"]:
        epochs = sum(seen for _, seen in documents) / sum(length for length, _ in documents)
        assert 2 < epochs < 3
        for length, seen in documents:
            assert math.floor(epochs) * length - 128 <= seen <= math.ceil(epochs) * length + 128


def test_the_noted_share_of_each_index_is_what_is_read(read: dict[str, Any]) -> None:
    seen = [sum(tokens for _, tokens in documents) for documents in read["covered"]]
    assert [samples * 128 for samples in read["noted"].values()] == pytest.approx(seen, abs=256)
    assert sum(read["noted"].values()) == PHASE2 * 32
