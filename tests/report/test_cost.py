"""What a run took, worked out by hand."""

from typing import Any

import pytest

from kishi.manifest import Manifest
from report.cost import CPU_WATTS, GPU_WATTS, GRID, costs, total


def _made(kind: str, seconds: float, hardware: dict[str, Any], **facts: Any) -> Manifest:
    empty: dict[str, Any] = {"seeds": {}, "inputs": {}, "outputs": [], "recipe": {}, "code": {}}
    words = {"schema_version": 1, "command": "c", "recipe_sha256": "r", "fingerprint": "f", "started": "2026-11-24T00:00:00+00:00"}
    return Manifest(kind=kind, seconds=seconds, environment={"hardware": hardware}, facts=facts, **empty, **words)


def test_pretraining_counts_all_devices_and_all_attempts() -> None:
    hardware = {"device": "gpu", "nodes": 2, "processes": 8, "device_watts": 1000.0, "grid_gco2_kwh": 500.0, "gpu_hour_price": 2.0}
    (row,) = costs([_made("pretrain-phase1", 60.0, hardware, training_seconds=3600.0)])
    assert (row.device_hours, row.kwh, row.grams, row.price, row.assumed) == (16.0, 16.0, 8000.0, 32.0, ())


def test_other_stages_count_one_device_and_those_without_a_model_none() -> None:
    hardware = {"device": "gpu", "nodes": 1, "processes": 8}
    sft, data = costs([_made("sft", 3600.0, hardware), _made("data", 3600.0, hardware)])
    assert sft.kwh == pytest.approx(GPU_WATTS / 1000) and data.kwh == pytest.approx(CPU_WATTS / 1000)
    assert sft.grams == pytest.approx(sft.kwh * GRID) and data.price is None
    assert len(sft.assumed) == 2 and total([sft, data]).kwh == pytest.approx(sft.kwh + data.kwh)


def test_the_overlay_of_now_stands_in_for_what_was_left_open() -> None:
    (row,) = costs(
        [_made("sft", 3600.0, {"device": "cpu", "device_watts": None, "grid_gco2_kwh": None})], {"device_watts": 50.0, "grid_gco2_kwh": 0.0}
    )
    assert (row.kwh, row.grams, row.assumed) == (0.05, 0.0, ())
