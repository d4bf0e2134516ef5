"""The command that starts torchrun: on this machine, or through `srun` on every machine of a Slurm job."""

import os
import shlex
import socket
import sys
from pathlib import Path

from kishi.errors import KishiError

PYTHON, SRUN = "KISHI_WORKER_PYTHON", "KISHI_SRUN"  # environment: an interpreter for the workers, more options of srun (docs/slurm.md)


def command(nodes: int, processes: int, plan: Path, worker: str) -> list[str]:
    """torchrun of the module `worker` for `plan`, in `processes` on each machine. Raises KishiError where there are fewer than `nodes`."""
    torchrun = [os.environ.get(PYTHON, sys.executable), "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    if nodes > 1:
        torchrun += ["--nnodes", str(nodes), "--master-addr", os.environ.get("MASTER_ADDR", socket.gethostname())]
    else:
        torchrun += ["--master-addr", "127.0.0.1"]
    torchrun += ["--master-port", str(_free_port()), "-m", worker, str(plan)]
    return [*_srun(nodes), *torchrun] if nodes > 1 else torchrun


def _srun(nodes: int) -> list[str]:
    """One torchrun a machine. The first machine, where the stage runs, gets rank 0: it alone looks for the stage's request to stop."""
    _check_job(nodes)
    options = [f"--nodes={nodes}", "--ntasks-per-node=1", "--kill-on-bad-exit=1", "--cpu-bind=none"]
    if cpus := os.environ.get("SLURM_CPUS_PER_TASK"):
        options.append(f"--cpus-per-task={cpus}")  # srun does not take it from sbatch since Slurm 22.05
    options += shlex.split(os.environ.get(SRUN, ""))
    # torchrun would end at SIGUSR1 before its workers have saved
    return ["srun", *options, "bash", "-c", 'trap "" USR1; PET_NODE_RANK=$SLURM_NODEID exec "$@"', "torchrun"]


def _check_job(nodes: int) -> None:
    job, given = os.environ.get("SLURM_JOB_ID"), int(os.environ.get("SLURM_JOB_NUM_NODES", 0))
    if not job:
        raise KishiError(
            f"the overlay asks for {nodes} machines, and this is not a Slurm job",
            where="nodes",
            fix="submit it with slurm/train.sbatch (docs/slurm.md), or take an overlay of one machine (--hw)",
        )
    if given < nodes:
        raise KishiError(
            f"the overlay asks for {nodes} machines, Slurm job {job} has {given}",
            where="nodes",
            fix="sbatch --nodes, or another --hw",
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
        return port
