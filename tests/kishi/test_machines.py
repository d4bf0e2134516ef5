"""The command that starts torchrun, and the refusal where there are not the machines that the overlay asks for."""

import sys
from pathlib import Path

import pytest

from kishi.errors import KishiError
from kishi.machines import command

PLAN, WORKER = Path("/runs/plan.json"), "train.worker"


@pytest.fixture(autouse=True)
def outside_of_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_JOB_ID", "SLURM_JOB_NUM_NODES", "SLURM_CPUS_PER_TASK", "KISHI_SRUN", "KISHI_WORKER_PYTHON", "MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)


def test_one_machine_needs_no_slurm() -> None:
    made = command(1, 3, PLAN, WORKER)
    assert made[:5] == [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "3"] and "127.0.0.1" in made
    assert made[-3:] == ["-m", WORKER, str(PLAN)]


def test_several_machines_outside_of_slurm_are_refused() -> None:
    with pytest.raises(KishiError, match="asks for 2 machines, and this is not a Slurm job") as caught:
        command(2, 3, PLAN, WORKER)
    assert "slurm/train.sbatch" in caught.value.fix


def test_a_job_with_too_few_machines_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "2")
    with pytest.raises(KishiError, match="asks for 4 machines, Slurm job 7 has 2"):
        command(4, 3, PLAN, WORKER)


def test_a_job_starts_one_torchrun_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"SLURM_JOB_ID": "7", "SLURM_JOB_NUM_NODES": "2", "SLURM_CPUS_PER_TASK": "12", "MASTER_ADDR": "node-a"}
    for name, value in {**settings, "KISHI_SRUN": "--container-image='a b'", "KISHI_WORKER_PYTHON": "/usr/bin/python3"}.items():
        monkeypatch.setenv(name, value)
    made = command(2, 3, PLAN, WORKER)
    assert made[0] == "srun" and {"--nodes=2", "--ntasks-per-node=1", "--cpus-per-task=12", "--container-image=a b"} <= set(made)
    assert made[made.index("--nnodes") + 1] == "2" and made[made.index("--master-addr") + 1] == "node-a" and "/usr/bin/python3" in made
