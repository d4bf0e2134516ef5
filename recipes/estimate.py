"""What a recipe will take on given hardware, before anything is run: `--dry-run`."""

from dataclasses import dataclass

from recipes.base import shape
from recipes.hardware import Hardware
from recipes.schema import Model, Recipe

ASSUMED_MFU = 0.4  # share of the peak that training reaches: an assumption, said wherever hours are shown
# Bytes a parameter: weights and gradients (fp32 gradients are kept for adding up), and what the optimizer holds (Adam's two moments, and in
# bf16 an fp32 copy of the weights). The optimizer's part is shared out over data-parallel processes by the distributed optimizer.
_STATE_BYTES = {"bf16": (2 + 4, 4 + 8), "fp32": (4 + 4, 8)}
# Activations a layer keeps, in bytes per token and unit of width, without the attention matrix: 34 for 2-byte values
# (Korthikanti et al. 2022, "Reducing Activation Recomputation in Large Transformer Models", equation 2, for a GPT layer with FFN of 4h).
_ACTIVATION_BYTES = {"bf16": 34, "fp32": 68}
_LOGIT_BYTES = {"bf16": 2 + 2, "fp32": 4 + 4}  # logits and their gradient, per token and word of the vocabulary


@dataclass(frozen=True)
class Estimate:
    """Of both phases. `memory` is bytes on one device, `hours` None where the overlay gives no peak."""

    parameters: int
    tokens: tuple[int, int]
    flops: float
    memory: int
    hours: float | None


def estimate(recipe: Recipe, hardware: Hardware) -> Estimate:
    """FLOPs are 6 a parameter and token, and 6 x layers x width x length a token for causal attention."""
    model, pretrain = shape(recipe), recipe.pretrain
    parameters = model.parameters(recipe.tokenizer.vocab_size)
    step = pretrain.global_batch_size * pretrain.sequence_length
    tokens = (pretrain.phases[0].steps * step, pretrain.phases[1].steps * step)
    attention = 6 * model.layers * model.attention_heads * model.head_dim * pretrain.sequence_length
    flops = float(6 * parameters + attention) * sum(tokens)
    peak = hardware.peak_tflops and hardware.peak_tflops * 1e12 * hardware.processes
    return Estimate(parameters, tokens, flops, _memory(recipe, model, hardware, parameters), peak and flops / (peak * ASSUMED_MFU) / 3600)


def _memory(recipe: Recipe, model: Model, hardware: Hardware, parameters: int) -> int:
    """Bytes on one device, for tensor, pipeline and context parallelism that share out evenly. Without the allocator's own overhead."""
    vocab = recipe.tokenizer.vocab_size
    weights, optimizer = _STATE_BYTES[hardware.precision]
    sharing = hardware.tensor_parallel * hardware.pipeline_parallel
    data_parallel = max(1, hardware.processes // (sharing * hardware.context_parallel))
    state = parameters / sharing * (weights + optimizer / (data_parallel if hardware.distributed_optimizer else 1))
    tokens = hardware.micro_batch_size * recipe.pretrain.sequence_length / hardware.context_parallel
    layers = tokens * model.hidden_size * model.layers * _ACTIVATION_BYTES[hardware.precision] / sharing
    return round(state + layers + tokens * vocab * _LOGIT_BYTES[hardware.precision] / hardware.tensor_parallel)
