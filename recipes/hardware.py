"""What an overlay in `nemo_configs/` may say: where and how a recipe runs. None of it changes the mathematics."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from recipes.schema import Positive, Section

OVERLAYS = Path("nemo_configs")


class Slurm(Section):
    """Data preparation as Slurm array jobs (datatrove's executor) instead of local processes."""

    partition: str = Field(min_length=1)
    time: str = Field("04:00:00", pattern=r"^(\d+-)?\d{1,2}:\d{2}:\d{2}$")
    array_limit: Positive = Field(64, description="array jobs a step, which share its tasks")
    memory_gb: Positive = Field(4, description="a task")
    account: str | None = None
    qos: str | None = None
    environment: str = Field("source .venv/bin/activate", description="shell line run before each task")


class Hardware(Section):
    """One machine shape, and how many of them."""

    device: Literal["cpu", "gpu"]
    nodes: Positive = Field(1, description="machines; more than one only inside a Slurm job (docs/slurm.md)")
    processes: Positive = Field(1, description="torchrun processes on each machine: one a GPU")
    threads: Positive | None = Field(None, description="CPU threads a process; default: all cores shared out")
    micro_batch_size: Positive = Field(description="sequences a forward pass, at most: train/plan.py fits it to the batch")
    precision: Literal["fp32", "bf16"]
    attention: Literal["auto", "sdpa", "te"] = Field("auto", description="auto: Transformer Engine where it is installed, else torch")
    tensor_parallel: Positive = 1
    pipeline_parallel: Positive = 1
    context_parallel: Positive = 1
    distributed_optimizer: bool = False
    data_workers: Annotated[int, Field(ge=0)] = 0
    peak_tflops: float | None = Field(None, gt=0, description="of one device in this precision, dense: for the hours of --dry-run")
    cpu_workers: Positive | None = Field(None, description="processes of data preparation; default: one a core")
    slurm: Slurm | None = None

    @property
    def world_size(self) -> int:
        """Processes on all machines together."""
        return self.nodes * self.processes


def default_overlay() -> str:
    """`1xh100` where an NVIDIA GPU is visible, else `cpu`."""
    return "1xh100" if Path("/dev/nvidia0").exists() else "cpu"
