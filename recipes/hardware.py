"""What an overlay in `nemo_configs/` may say: where and how a recipe runs. None of it changes the mathematics."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from recipes.schema import Positive, Section

OVERLAYS = Path("nemo_configs")


class Hardware(Section):
    """One machine shape."""

    device: Literal["cpu", "gpu"]
    processes: Positive = Field(1, description="torchrun processes on this machine: one a GPU")
    threads: Positive | None = Field(None, description="CPU threads a process; default: all cores shared out")
    micro_batch_size: Positive
    precision: Literal["fp32", "bf16"]
    attention: Literal["auto", "sdpa", "te"] = Field("auto", description="auto: Transformer Engine where it is installed, else torch")
    tensor_parallel: Positive = 1
    pipeline_parallel: Positive = 1
    context_parallel: Positive = 1
    distributed_optimizer: bool = False
    data_workers: Annotated[int, Field(ge=0)] = 0


def default_overlay() -> str:
    """`1xh100` where an NVIDIA GPU is visible, else `cpu`."""
    return "1xh100" if Path("/dev/nvidia0").exists() else "cpu"
