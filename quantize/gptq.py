"""Stage `gptq`: 4-bit weights, rounded column by column, each column's error made up for in those that follow (arXiv 2210.17323)."""

from typing import Any

from quantize import compressed
from recipes.job import Job
from recipes.schema_quantize import Gptq


def run(job: Job) -> dict[str, Any]:
    """Write `model/`; see docs/quantization.md."""
    compressed.need_library()
    from llmcompressor.modifiers.gptq import GPTQModifier

    from quantize.schemes import w4a16

    def modifiers(model: Any) -> list[Any]:
        size = compressed.group_size(model, job.recipe.quantize.gptq or Gptq())
        return [GPTQModifier(config_groups=w4a16(size, symmetric=True), ignore=compressed.IGNORED)]

    return compressed.make(job, modifiers, calibrated=True)
