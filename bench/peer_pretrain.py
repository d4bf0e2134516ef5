"""The peer of bench/throughput.py: the same model, batch and length in plain Hugging Face, as well as that goes with few lines.

Qwen3 from its config, torch.compile over model and loss, SDPA, fused AdamW, bf16 autocast over fp32 weights (fp32 on a CPU), gradients
clipped. One process; tensors of random ids are ready on the device, so no time goes into data.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from bench import kernel_groups
from bench.step_times import times
from bench.variant import PROFILE, Request, random_tokens
from kishi.errors import RecipeError
from recipes.hardware import Hardware
from recipes.schema import Recipe


def model_of(recipe: Recipe) -> Any:
    """transformers' Qwen3 in the recipe's shape, with random weights."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    shape = recipe.model
    assert shape is not None, "the peer is for recipes from scratch"
    config = Qwen3Config(
        vocab_size=recipe.tokenizer.vocab_size,
        hidden_size=shape.hidden_size,
        intermediate_size=shape.ffn_hidden_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.attention_heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        max_position_embeddings=recipe.pretrain.sequence_length,
        rms_norm_eps=shape.norm_eps,
        initializer_range=shape.init_std,
        tie_word_embeddings=True,
        attn_implementation="sdpa",
        use_cache=False,
    )
    return Qwen3ForCausalLM(config)


def loss_function(model: Any, compiled: bool) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Mean cross-entropy of (batch, length) targets."""

    def loss(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        hidden = model.model(input_ids=inputs).last_hidden_state
        return cross_entropy(model.lm_head(hidden).float().flatten(0, 1), targets.flatten())

    return torch.compile(loss) if compiled else loss


def batches(recipe: Recipe, micro_batch: int, device: str) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The same few micro-batches over and over."""
    length = recipe.pretrain.sequence_length
    ids = random_tokens(recipe.tokenizer.vocab_size, 16 * micro_batch * (length + 1)).astype("int64")
    data = torch.from_numpy(ids).view(16, micro_batch, length + 1).to(device)
    while True:
        for batch in data:
            yield batch[:, :-1].contiguous(), batch[:, 1:].contiguous()


def measure(request: Request, recipe: Recipe, hardware: Hardware, folder: Path) -> dict[str, Any]:
    """Times of steps, as bench/step_times.py takes them. Raises RecipeError for several processes."""
    if hardware.processes > 1:
        raise RecipeError("the peer runs in one process", where="hw.processes")
    gpu, pretrain = hardware.device == "gpu", recipe.pretrain
    micro_batch = next(
        n for n in range(min(hardware.micro_batch_size, pretrain.global_batch_size), 0, -1) if pretrain.global_batch_size % n == 0
    )
    device = "cuda" if gpu else "cpu"
    torch.manual_seed(recipe.seed)
    torch.set_float32_matmul_precision("high")
    model = model_of(recipe).to(device)
    betas = (pretrain.adam_beta1, pretrain.adam_beta2)
    optimizer = torch.optim.AdamW(model.parameters(), pretrain.learning_rate, betas, weight_decay=pretrain.weight_decay, fused=gpu)
    loss, data = loss_function(model, compiled=gpu), batches(recipe, micro_batch, device)
    autocast = torch.autocast(device, torch.bfloat16, enabled=hardware.precision == "bf16")
    parts = pretrain.global_batch_size // micro_batch
    ends, losses, profiler = [], [], None
    for step in range(1, request.all_steps + 1):
        total = 0.0
        optimizer.param_groups[0]["lr"] = pretrain.learning_rate * step / request.all_steps  # as the stage's warm-up
        for _ in range(parts):
            with autocast:
                value = loss(*next(data))
            (value / parts).backward()
            total = total + value.detach() / parts
        torch.nn.utils.clip_grad_norm_(model.parameters(), pretrain.clip_grad)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(float(total))
        if gpu:
            torch.cuda.synchronize()
        ends.append(time.perf_counter())
        if step == request.warm_up + request.steps and request.profiled:
            profiler = kernel_groups.start()
    if profiler:
        kernel_groups.write(profiler, request.profiled, folder / PROFILE)
    peak = [torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()] if gpu else [0, 0]
    return times(ends[: request.warm_up + request.steps], request.warm_up, losses, peak) | {"micro_batch_size": micro_batch}
