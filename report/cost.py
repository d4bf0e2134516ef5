"""What a run took: device hours, energy, carbon and money, from the times and overlays in the manifests.

energy = hours x devices x watts of one device; carbon = energy x grams of CO2e a kWh. What an overlay does not say is assumed, and every
assumption is named where a figure is shown. Not counted: making the machines, attempts that were thrown away, and of a stage that was
killed the attempts before the last (of pretraining the steps of all attempts count).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kishi.manifest import Manifest
from report.view import is_number, table_of

GPU_WATTS = 700.0  # the most that an H100 SXM draws (NVIDIA's data sheet); without the rest of its machine
CPU_WATTS = 100.0  # a guess for a whole machine without accelerator
GRID = 480.0  # g CO2e a kWh, the world's mean of 2023 (Ember, Global Electricity Review 2024)
WITHOUT_MODEL = ("data", "tokenizer", "index", "chat-data", "report")  # run on the processor, whatever the overlay's device


@dataclass(frozen=True)
class Cost:
    """Of one stage. `price` is None where the overlay names none; `assumed` says what its figures rest on."""

    stage: str
    device_hours: float
    kwh: float
    grams: float
    price: float | None
    assumed: tuple[str, ...]


def costs(manifests: Iterable[Manifest], now: Mapping[str, Any] | None = None) -> list[Cost]:
    """A row a stage. `now` (an overlay's keys) stands in for what the stage's own overlay left open."""
    return [_cost(found, now or {}) for found in manifests]


def _cost(found: Manifest, now: Mapping[str, Any]) -> Cost:
    own = table_of(found.environment.get("hardware"))
    hardware = {key: own.get(key) if own.get(key) is not None else now.get(key) for key in {*own, *now}}
    on_gpu = own.get("device") == "gpu" and found.kind not in WITHOUT_MODEL
    devices = _devices(found.kind, own)
    trained = found.facts.get("training_seconds")
    seconds = max(found.seconds, trained if is_number(trained) else 0.0)
    assumed = []
    watts, grid = hardware.get("device_watts"), hardware.get("grid_gco2_kwh")
    if not is_number(watts) or (own.get("device") == "gpu" and not on_gpu):
        watts = GPU_WATTS if on_gpu else CPU_WATTS
        assumed.append(f"{watts:g} W {'each GPU' if on_gpu else 'the machine without GPU'}")
    if not is_number(grid):
        grid = GRID
        assumed.append(f"{GRID:g} g CO2e/kWh (world mean of 2023)")
    hours = seconds / 3600 * devices
    price = hardware.get("gpu_hour_price")
    kwh = hours * float(watts or 0) / 1000
    return Cost(found.kind, hours, kwh, kwh * float(grid or 0), hours * price if on_gpu and is_number(price) else None, tuple(assumed))


def _devices(kind: str, hardware: Mapping[str, Any]) -> int:
    """Pretraining uses all of the overlay's GPUs, every other stage one; processes on a processor share one machine."""
    nodes = int(hardware.get("nodes") or 1) if kind.startswith("pretrain") else 1
    processes = int(hardware.get("processes") or 1) if kind.startswith("pretrain") and hardware.get("device") == "gpu" else 1
    return nodes * processes


def total(rows: Iterable[Cost]) -> Cost:
    """The sum; its price is None when no stage has one."""
    found = list(rows)
    prices = [row.price for row in found if row.price is not None]
    return Cost(
        "all stages",
        sum(row.device_hours for row in found),
        sum(row.kwh for row in found),
        sum(row.grams for row in found),
        sum(prices) if prices else None,
        tuple(dict.fromkeys(words for row in found for words in row.assumed)),
    )


def energy(kwh: float) -> str:
    """kWh, or Wh where there is little."""
    return f"{kwh:,.1f} kWh" if kwh >= 1 else f"{1000 * kwh:.1f} Wh"


def carbon(grams: float) -> str:
    """kg of CO2e, or g where there is little."""
    return f"{grams / 1000:,.1f} kg CO2e" if grams >= 1000 else f"{grams:.1f} g CO2e"
