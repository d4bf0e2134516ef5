"""Stage `awq`: 4-bit weights; columns that large activations meet are scaled up before rounding (arXiv 2306.00978)."""

from typing import Any

from quantize import compressed
from recipes.job import Job
from recipes.schema_quantize import Awq


def run(job: Job) -> dict[str, Any]:
    """Write `model/`; see docs/quantization.md."""
    compressed.need_library()
    from llmcompressor.modifiers.quantization import QuantizationModifier
    from llmcompressor.modifiers.transform.awq import AWQModifier

    from quantize.schemes import w4a16

    def modifiers(model: Any) -> list[Any]:
        size = compressed.group_size(model, job.recipe.quantize.awq or Awq())
        scheme = QuantizationModifier(config_groups=w4a16(size, symmetric=False), ignore=compressed.IGNORED)
        return [AWQModifier(), scheme]  # the first only scales; the second rounds

    return compressed.make(job, modifiers, calibrated=True)
