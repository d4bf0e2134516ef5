"""What an overlay in `nemo_configs/` may say: where and how a recipe runs. None of it changes the mathematics."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from recipes.section import Positive, Section

EngineSection = Literal["model", "ddp", "optimizer", "train", "rng", "mixed_precision"]
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
    micro_batch_size: Positive = Field(description="sequences a forward pass, at most: fitted to the batch and the memory")
    precision: Literal["fp32", "bf16"]
    attention: Literal["auto", "sdpa", "te"] = Field("auto", description="auto: Transformer Engine where it is installed, else torch")
    tensor_parallel: Positive = 1
    pipeline_parallel: Positive = 1
    context_parallel: Positive = 1
    distributed_optimizer: bool = Field(True, description="share out the optimiser's state over the copies of the model")
    async_save: bool | None = Field(None, description="write checkpoints while training goes on; default: on a GPU")
    data_workers: Annotated[int, Field(ge=0)] = 0
    peak_tflops: float | None = Field(None, gt=0, description="of one device in this precision, dense: for the hours of --dry-run")
    cpu_workers: Positive | None = Field(
        None, description="processes of data preparation (default: one a core) and of scoring quantised files (default: one)"
    )
    slurm: Slurm | None = None
    memory_gb: float | None = Field(None, gt=0, description="of one device: the micro-batch is lowered until the estimate fits")
    gpu_hour_price: float | None = Field(None, gt=0, description="of one device, in any currency: for the cost of --dry-run")
    device_watts: float | None = Field(
        None, gt=0, description="mean draw of one device with its share of machine and cooling: for energy in the report (default: assumed)"
    )
    grid_gco2_kwh: float | None = Field(
        None, ge=0, description="grams of CO2e a kWh of the local grid: for carbon in the report (default: the world's mean)"
    )
    wandb_project: str | None = Field(None, min_length=1, description="log to Weights & Biases too; TensorBoard files are always written")
    engine: dict[EngineSection, dict[str, bool | int | float | str]] = Field(
        {}, description="Megatron's own settings, by the names of its classes (train/engine_settings.py): kernels, graphs, communication"
    )

    @property
    def replicas(self) -> int:
        """Copies of the model, which share the global batch."""
        return self.world_size // (self.tensor_parallel * self.pipeline_parallel * self.context_parallel)

    @model_validator(mode="after")
    def _async_needs_gpu(self) -> Self:
        if self.async_save and self.device == "cpu":  # the writer is handed the memory itself, and training goes on changing it
            raise ValueError("async_save: only on a GPU, from whose memory a copy is made first")
        return self

    @property
    def saves_asynchronously(self) -> bool:
        """What the overlay asks for, or on a GPU."""
        return self.device == "gpu" if self.async_save is None else self.async_save

    @property
    def world_size(self) -> int:
        """Processes on all machines together."""
        return self.nodes * self.processes


def default_overlay() -> str:
    """`1xh100` where an NVIDIA GPU is visible, else `cpu`."""
    return "1xh100" if Path("/dev/nvidia0").exists() else "cpu"
