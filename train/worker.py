"""One process of pretraining, under torchrun: `torchrun --nproc-per-node N -m train.worker PLAN.json`."""

import logging
import os
import queue
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kishi import failure
from kishi.processes import die_with_parent
from train import stop
from train.plan import Plan

if TYPE_CHECKING:
    from train.spikes import Watch


def main(path: str, watcher: Callable[[Plan], Any] | None = None) -> None:
    """Train the phase that the plan describes; an error leaves its note for the stage.

    `watcher` makes one more callback for Megatron-Bridge, inside of the engine.
    """
    die_with_parent()
    stop.warning_means_stop()
    plan = Plan.load(Path(path))
    try:
        from train.cpu_engine import engine

        with engine():
            _train(plan, [watcher(plan)] if watcher else [])
    except SystemExit:  # Megatron-Bridge after it has saved on a signal
        raise
    except BaseException as error:
        failure.write(plan.folder, error)
        raise


def _train(plan: Plan, watchers: list[Any]) -> None:
    from megatron.bridge.training.pretrain import pretrain

    from train.configure import set_threads, training_config, uses_transformer_engine
    from train.data_order import register
    from train.record import Recorder
    from train.spikes import Watch

    set_threads(plan.hardware)
    if not plan.hardware.saves_asynchronously:
        _collect_write_results_here()
    _report_no_wanted_end()
    register(plan.folder, plan.blend["prefixes"])
    config = training_config(plan)
    if os.environ.get("RANK", "0") == "0":
        print(f"engine: {_description(plan, uses_transformer_engine(plan.hardware))}", flush=True)
    watch = Watch(plan.recipe.pretrain)
    pretrain(config, forward_step_for(watch), callbacks=[Recorder(plan, watch), *watchers])


def _description(plan: Plan, transformer_engine: bool) -> str:
    """Kernels, precision, batch and how the model is shared out."""
    hardware = plan.hardware
    kernels = "Transformer Engine" if transformer_engine else "torch attention"
    shared = {"tensor": hardware.tensor_parallel, "pipeline": hardware.pipeline_parallel}
    parts = "".join(f", {name} parallel {size}" for name, size in shared.items() if size > 1)
    return f"{kernels}, {hardware.precision}, micro-batch {plan.micro_batch_size} x {hardware.replicas}{parts}"


def _collect_write_results_here() -> None:
    """Megatron-Core starts a process to pass on what was written even when it writes in this one; a kill would leave it behind for ever."""
    from megatron.core.dist_checkpointing.strategies import filesystem_async

    filesystem_async._results_queue = queue.Queue()


def _report_no_wanted_end() -> None:
    """Megatron-Bridge ends a run that a signal stopped by SystemExit, and its own clean-up then reports that as a failure, at length."""

    def failed(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not (isinstance(error, SystemExit) or isinstance(error and error.__context__, SystemExit))

    logging.getLogger("megatron.bridge.training.pretrain").addFilter(failed)


def forward_step_for(watch: "Watch") -> Callable[..., Any]:
    """One micro-batch: Megatron's contract is the model's output and a function from it to (loss sum, tokens, what to log)."""
    import torch

    def forward_step(state: Any, data_iterator: Any, model: Any, return_schedule_plan: bool = False) -> Any:
        batch = {key: value.cuda(non_blocking=True) for key, value in next(data_iterator).items() if torch.is_tensor(value)}
        mask = batch["loss_mask"].float()
        output = model(batch["tokens"], batch["position_ids"], batch.get("attention_mask"), labels=batch["labels"])

        def loss(losses: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
            count, total = mask.sum(), (losses.float() * mask).sum()
            part = torch.cat([total.detach().view(1), count.view(1)])
            watch.add(part)
            return total, count.to(torch.int), {"lm loss": part}

        return output, loss

    return forward_step


if __name__ == "__main__":
    main(sys.argv[1])
elif __name__ == "__mp_main__":  # a process that Megatron spawned to write checkpoints: it would outlive a kill of this one for ever
    die_with_parent()
