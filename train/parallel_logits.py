"""What a model says about some text, on every process, however the model is shared out: parts of the vocabulary, stages of a pipeline."""

from collections.abc import Callable
from typing import Any

import torch
from megatron.core import parallel_state
from megatron.core.pipeline_parallel import get_forward_backward_func
from megatron.core.tensor_parallel import gather_from_tensor_model_parallel_region


@torch.no_grad()
def from_logits(model: Any, tokens: torch.Tensor, function: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """`function` of the fp32 (batch, length, vocabulary) logits of (batch, length) ids.

    All processes of a model must call it; the last stage of a pipeline computes it, and the others get its (small) result on the CPU.
    """
    length = tokens.size(1)
    parts = parallel_state.get_tensor_model_parallel_world_size()
    tokens = torch.nn.functional.pad(tokens, (0, -length % parts))  # sequence parallelism cuts evenly; attention sees only what is before
    positions = torch.arange(tokens.size(1), device=tokens.device).expand_as(tokens)

    def step(_: Any, stage: Any) -> tuple[torch.Tensor, Callable[..., torch.Tensor]]:
        return stage(tokens, positions, None), lambda logits, **_: function(_whole(logits, parts)[:, :length].float())

    found = get_forward_backward_func()(
        forward_step_func=step,
        data_iterator=None,
        model=[model],
        num_microbatches=1,
        seq_length=tokens.size(1),
        micro_batch_size=tokens.size(0),
        forward_only=True,
        collect_non_loss_data=True,
    )
    return found[0] if parallel_state.get_pipeline_model_parallel_world_size() == 1 else _from_last_stage(found)


def _whole(logits: torch.Tensor, parts: int) -> torch.Tensor:
    return gather_from_tensor_model_parallel_region(logits) if parts > 1 else logits


def _from_last_stage(found: list[torch.Tensor]) -> torch.Tensor:
    results: list[Any] = [found[0].cpu() if found else None]
    last, group = parallel_state.get_pipeline_model_parallel_last_rank(), parallel_state.get_pipeline_model_parallel_group()
    torch.distributed.broadcast_object_list(results, src=last, group=group)
    result: torch.Tensor = results[0]
    return result


def gather_weights(model: Any) -> None:
    """Have all updated weights in place now: where their exchange overlaps with forward, the next forward of training would bring them."""
    if getattr(getattr(model, "ddp_config", None), "overlap_param_gather", False):
        model.start_param_sync(force_sync=True)
