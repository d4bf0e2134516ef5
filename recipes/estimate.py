"""What a recipe will take on given hardware, before anything is run: `--dry-run`."""

from dataclasses import dataclass

from kishi.errors import RecipeError
from recipes.base import shape
from recipes.hardware import Hardware
from recipes.schema import Recipe

ASSUMED_MFU = 0.4  # share of the peak that training reaches: an assumption, said wherever hours are shown
# Bytes a parameter: weights and gradients (fp32 gradients are kept for adding up), and what the optimizer holds (Adam's two moments, and in
# bf16 an fp32 copy of the weights). The optimizer's part is shared out over data-parallel processes by the distributed optimizer.
_STATE_BYTES = {"bf16": (2 + 4, 4 + 8), "fp32": (4 + 4, 8)}
_VALUE_BYTES = {"bf16": 2, "fp32": 4}
# Of each logit: with Transformer Engine its gradient takes its place (train/cpu_engine.py); torch adds an fp32 copy and its gradient
_LOGIT_BYTES = {"te": 2, "torch": 2 + 4 + 4}
_USABLE = 0.95  # of a device's memory; the rest is for libraries and what falls between allocations


@dataclass(frozen=True)
class Estimate:
    """Of both phases. `memory` is bytes on one device, `hours` None where the overlay gives no peak, `cost` where it gives no price."""

    parameters: int
    tokens: tuple[int, int]
    flops: float
    memory: int
    hours: float | None
    cost: float | None


def estimate(recipe: Recipe, hardware: Hardware) -> Estimate:
    """See `flops_per_token` and `_memory` for how the figures come about."""
    pretrain = recipe.pretrain
    parameters = shape(recipe).parameters(recipe.tokenizer.vocab_size)
    step = pretrain.global_batch_size * pretrain.sequence_length
    tokens = (pretrain.phases[0].steps * step, pretrain.phases[1].steps * step)
    flops = float(flops_per_token(recipe)) * sum(tokens)
    peak = hardware.peak_tflops and hardware.peak_tflops * 1e12 * hardware.world_size
    hours = peak and flops / (peak * ASSUMED_MFU) / 3600
    price = hardware.gpu_hour_price and hardware.gpu_hour_price * hardware.world_size
    memory = memory_of(recipe, hardware, micro_batch_of(recipe, hardware))
    return Estimate(parameters, tokens, flops, memory, hours, hours and price and hours * price)


def micro_batch_of(recipe: Recipe, hardware: Hardware) -> int:
    """The overlay's, or the next smaller one that fits `memory_gb` and shares out the batch evenly: the sum over a step stays the same.

    Raises RecipeError when the processes cannot share the batch at all.
    """
    batch, model_parallel = (
        recipe.pretrain.global_batch_size,
        hardware.tensor_parallel * hardware.pipeline_parallel * hardware.context_parallel,
    )
    if hardware.world_size % model_parallel or batch % hardware.replicas:
        raise RecipeError(
            f"{hardware.world_size} processes, {model_parallel} to a model, cannot share {batch} sequences a step evenly",
            where="pretrain.global_batch_size",
            fix="another overlay (--hw), or a global batch that is a multiple of the copies of the model",
        )
    share = batch // hardware.replicas
    sizes = [size for size in range(min(hardware.micro_batch_size, share), 0, -1) if share % size == 0]
    limit = hardware.memory_gb and hardware.memory_gb * 1e9 * _USABLE
    return next((size for size in sizes if limit is None or memory_of(recipe, hardware, size) <= limit), 1)


def flops_per_token(recipe: Recipe) -> int:
    """Forward and backward: 6 a parameter, and 6 x layers x width of all heads x length for causal attention."""
    model = shape(recipe)
    attention = 6 * model.layers * model.attention_heads * model.head_dim * recipe.pretrain.sequence_length
    return 6 * model.parameters(recipe.tokenizer.vocab_size) + attention


def memory_of(recipe: Recipe, hardware: Hardware, micro_batch: int) -> int:
    """Bytes of tensors on one device, for tensor and pipeline parallelism that share out evenly.

    A pipeline's first stage keeps as many micro-batches as there are stages, so activations do not fall with them.
    """
    vocab, sharing = recipe.tokenizer.vocab_size, hardware.tensor_parallel * hardware.pipeline_parallel
    weights, optimizer = _STATE_BYTES[hardware.precision]
    sharded = hardware.distributed_optimizer and hardware.device == "gpu" and recipe.pretrain.optimizer == "adamw"
    parameters = shape(recipe).parameters(vocab)
    state = parameters / sharing * (weights + optimizer / (hardware.replicas if sharded else 1))
    tokens = micro_batch * recipe.pretrain.sequence_length / hardware.context_parallel
    te = hardware.device == "gpu" and hardware.attention != "sdpa"
    logits = _LOGIT_BYTES["te" if te else "torch"] if hardware.precision == "bf16" else 2 * _VALUE_BYTES["fp32"]
    activations = shape(recipe).layers * _layer_values(recipe) * _VALUE_BYTES[hardware.precision] + vocab * logits
    return round(state + tokens * activations / hardware.tensor_parallel)


def _layer_values(recipe: Recipe) -> int:
    """Values a token that one layer keeps for its backward pass: what each of its operations reads.

    Both norms keep their input and output, the projection its output and attention the normed and rotated form of it, attention its
    output, the FFN both halves before and their product after SwiGLU.
    """
    model = shape(recipe)
    query, key_value = model.attention_heads * model.head_dim, 2 * model.kv_heads * model.head_dim
    return 4 * model.hidden_size + 2 * (query + key_value) + query + 3 * model.ffn_hidden_size
