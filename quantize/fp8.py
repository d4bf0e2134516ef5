"""Stage `fp8`: 8-bit floats for weights and activations (E4M3), which Hopper and later GPUs multiply twice as fast as 16 bits."""

from typing import Any

from quantize import compressed
from recipes.job import Job


def run(job: Job) -> dict[str, Any]:
    """Write `model/`; see docs/quantization.md."""
    compressed.need_library()
    from llmcompressor.modifiers.quantization import QuantizationModifier

    scheme = QuantizationModifier(targets="Linear", scheme="FP8_DYNAMIC", ignore=compressed.IGNORED)
    return compressed.make(job, lambda _: [scheme], calibrated=False)
