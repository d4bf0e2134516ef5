"""Stage `autoround`: 4-bit weights whose rounding, up or down, is learnt layer by layer with signed gradients (arXiv 2309.05516)."""

from typing import Any

from quantize import compressed
from recipes.job import Job
from recipes.schema_quantize import AutoRound


def run(job: Job) -> dict[str, Any]:
    """Write `model/`; see docs/quantization.md."""
    compressed.need_library()
    from llmcompressor.modifiers.autoround import AutoRoundModifier

    from quantize.schemes import w4a16

    def modifiers(model: Any) -> list[Any]:
        section = job.recipe.quantize.autoround or AutoRound()
        scheme = w4a16(compressed.group_size(model, section), symmetric=True)
        # compiling took ten times as long as it saved on a small model, and needs a compiler
        return [AutoRoundModifier(config_groups=scheme, ignore=compressed.IGNORED, iters=section.iterations, enable_torch_compile=False)]

    return compressed.make(job, modifiers, calibrated=True)
