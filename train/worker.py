"""One process of pretraining, under torchrun: `torchrun --nproc-per-node N -m train.worker PLAN.json`."""

import logging
import os
import queue
import sys
from pathlib import Path
from typing import Any

from kishi.processes import die_with_parent
from train import failure, stop
from train.plan import Plan


def main(path: str) -> None:
    """Train the phase that the plan describes; an error leaves its note for the stage."""
    die_with_parent()
    stop.warning_means_stop()
    plan = Plan.load(Path(path))
    try:
        from train.cpu_engine import engine

        with engine():
            _train(plan)
    except SystemExit:  # Megatron-Bridge after it has saved on a signal
        raise
    except BaseException as error:
        failure.write(plan.folder, error)
        raise


def _train(plan: Plan) -> None:
    from megatron.bridge.training.pretrain import pretrain

    from train.configure import set_threads, training_config, uses_transformer_engine
    from train.data_order import register
    from train.record import Recorder

    set_threads(plan.hardware)
    _collect_write_results_here()
    _report_no_wanted_end()
    register(plan.folder, plan.blend["prefixes"])
    config = training_config(plan)
    if os.environ.get("RANK", "0") == "0":
        kernels = "Transformer Engine" if uses_transformer_engine(plan.hardware) else "torch attention"
        print(f"engine: {kernels}, {plan.hardware.precision}, micro-batch {plan.micro_batch_size} x {plan.hardware.world_size}", flush=True)
    pretrain(config, forward_step, callbacks=[Recorder(plan)])


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


def forward_step(state: Any, data_iterator: Any, model: Any, return_schedule_plan: bool = False) -> Any:
    """One micro-batch: Megatron's contract is the model's output and a function from it to (loss sum, tokens, what to log)."""
    import torch

    batch = {key: value.cuda(non_blocking=True) for key, value in next(data_iterator).items() if torch.is_tensor(value)}
    mask = batch["loss_mask"].float()
    output = model(batch["tokens"], batch["position_ids"], batch.get("attention_mask"), labels=batch["labels"])

    def loss(losses: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
        count, total = mask.sum(), (losses.float() * mask).sum()
        return total, count.to(torch.int), {"lm loss": torch.cat([total.detach().view(1), count.view(1)])}

    return output, loss


if __name__ == "__main__":
    main(sys.argv[1])
