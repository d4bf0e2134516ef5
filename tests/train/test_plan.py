"""What a phase is told: steps, and how the global batch is shared out."""

from pathlib import Path

import pytest

from kishi.errors import RecipeError
from recipes.hardware import Hardware
from recipes.loading import load_recipe
from train.plan import Plan


def plan(batch: int, micro: int, phase: int = 1, **hardware: int) -> Plan:
    recipe = load_recipe(Path("recipes/kishi-tiny.yaml"), [f"pretrain.global_batch_size={batch}"])
    overlay = Hardware(device="cpu", micro_batch_size=micro, precision="fp32", **hardware)
    return Plan(recipe, overlay, phase, Path("f"), Path("i"), None, 0, {"prefixes": ["clean/kk"], "weights": [1]})


@pytest.mark.parametrize(
    ("batch", "micro", "processes", "tensor", "used"),
    [(64, 16, 1, 1, 16), (8, 16, 1, 1, 8), (48, 16, 2, 1, 12), (48, 16, 4, 2, 12), (7, 4, 1, 1, 1), (64, 16, 8, 1, 8)],
)
def test_the_micro_batch_shares_out_the_global_one(batch: int, micro: int, processes: int, tensor: int, used: int) -> None:
    assert plan(batch, micro, processes=processes, tensor_parallel=tensor).micro_batch_size == used


@pytest.mark.parametrize(("nodes", "processes", "tensor", "used"), [(2, 8, 1, 4), (2, 2, 2, 16), (4, 1, 1, 16)])
def test_processes_of_all_machines_count(nodes: int, processes: int, tensor: int, used: int) -> None:
    assert plan(64, 16, nodes=nodes, processes=processes, tensor_parallel=tensor).micro_batch_size == used


@pytest.mark.parametrize(("processes", "tensor"), [(3, 1), (4, 3)])
def test_a_batch_that_cannot_be_shared_is_refused(processes: int, tensor: int) -> None:
    with pytest.raises(RecipeError, match="cannot share 8 sequences"):
        _ = plan(8, 4, processes=processes, tensor_parallel=tensor).micro_batch_size


def test_phases_follow_each_other_and_a_plan_is_read_back(tmp_path: Path) -> None:
    first, second = plan(8, 8), plan(8, 8, phase=2)
    assert (first.first_step, first.last_step, second.first_step, second.last_step) == (0, 120, 120, 240)
    second.save(tmp_path / "plan.json")
    assert Plan.load(tmp_path / "plan.json") == second
