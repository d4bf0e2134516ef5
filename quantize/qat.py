"""Stage `qat`: a short fine-tune in which the model runs with 4-bit weights and learns to write as before (LLM-QAT, arXiv 2305.17888).

Every linear layer's weight is rounded to the grid of GGUF's Q4_0 in the forward pass; the gradient goes to the weight behind it. The loss
is the Kullback-Leibler divergence of the next token's probabilities from those of the model before, on the training corpus. The embedding,
which is also the output layer, is not trained. The file that comes out holds exactly the weights that were trained with: it is compared.
"""

import math
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from torch.nn.functional import kl_div, log_softmax
from torch.nn.utils import parametrize

from conversion.gguf import ARCHITECTURE, convert
from kishi.errors import ParityError
from kishi.jsonl import append_row, forget_after
from kishi.progress import progress
from quantize import calibration, llama
from quantize.bits import bits_per_weight
from quantize.grid import BLOCK, StraightThrough
from quantize.model_folder import copy_tokenizer, load
from recipes.job import Job
from recipes.schema_quantize import Calibration, Qat

FILE = "model-Q4_0.gguf"
_TOKENS_AT_ONCE = 8192  # logits of one pass: this x vocabulary x 4 bytes, several times over
_SAVES = 4
_WARMUP = 0.1


def run(job: Job) -> dict[str, Any]:
    """Write `model/` (Hugging Face, weights on the grid, 32 bits), `model-Q4_0.gguf` and `metrics.jsonl`."""
    section, source = job.recipe.quantize.qat or Qat(), job.chat_model
    found = calibration.rows(job, source, Calibration(tokens=section.steps * section.batch_size * section.length, length=section.length))
    teacher, student = load(source, job.hardware), load(source, job.hardware)
    layers = put_on_grid(student)
    losses = train(job, section, student, teacher, calibration.flat(found))
    for layer in layers.values():
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    shutil.rmtree(job.folder / "model", ignore_errors=True)
    student.save_pretrained(job.folder / "model")
    copy_tokenizer(source, job.folder / "model")
    compared = make_file(job, layers)
    (job.folder / ".checkpoint.pt").unlink(missing_ok=True)
    return {
        "bytes": (job.folder / FILE).stat().st_size,
        "bits_per_weight": round(bits_per_weight(job.folder / FILE), 3),
        "steps": section.steps,
        "tokens": calibration.tokens(found),
        "loss": losses,
        "weights_compared": compared,
    }


def put_on_grid(model: Any) -> dict[str, Any]:
    """Every linear layer but the head by name, each seen through `StraightThrough` from now on; everything else but norms is frozen."""
    layers = {n: m for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and n != "lm_head"}
    for name, layer in layers.items():
        if layer.in_features % BLOCK:
            raise ParityError(f"{name} has rows of {layer.in_features} weights", where="model", fix=f"widths must be multiples of {BLOCK}")
        parametrize.register_parametrization(layer, "weight", StraightThrough())
    model.get_input_embeddings().weight.requires_grad_(False)
    return layers


def train(job: Job, section: Qat, student: Any, teacher: Any, rows: list[list[int]]) -> dict[str, float]:
    """Loss (nats a token) of the first and the last steps. Goes on from `.checkpoint.pt` of an earlier attempt."""
    trained = [parameter for parameter in student.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=section.learning_rate, betas=(0.9, 0.95), weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, section.steps))
    checkpoint, metrics, started = job.folder / ".checkpoint.pt", job.folder / "metrics.jsonl", time.monotonic()
    done, losses = _resume(checkpoint, trained, optimizer, schedule)
    forget_after(metrics, done)
    with progress() as bar:
        task = bar.add_task("qat", total=section.steps, completed=done, info="")
        for step in range(done + 1, section.steps + 1):
            batch = [rows[i] for i in order(len(rows), section.batch_size, step, job.recipe.seed)]
            losses.append(_step(student, teacher, batch, job))
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            append_row(
                metrics,
                {"step": step, "loss": losses[-1], "learning_rate": schedule.get_last_lr()[0], "seconds": time.monotonic() - started},
            )
            schedule.step()
            bar.update(task, completed=step, info=f"{losses[-1]:.4f} nats")
            if step % max(1, section.steps // _SAVES) == 0:
                _save(checkpoint, trained, optimizer, schedule, losses)
    few = max(1, min(10, section.steps // 5))
    return {"first": sum(losses[:few]) / few, "last": sum(losses[-few:]) / few}


def rate(step: int, steps: int) -> float:
    """Share of the learning rate: up in a line over the first tenth, then down along half a cosine."""
    warmup = max(1, round(steps * _WARMUP))
    return (step + 1) / warmup if step < warmup else 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def order(rows: int, batch: int, step: int, seed: int) -> Iterator[int]:
    """Rows of one step, counted from 1: the corpus shuffled anew each time it has been gone through; the same after a kill."""
    shuffled: dict[int, list[int]] = {}
    for place in range((step - 1) * batch, step * batch):
        turn = place // rows
        if turn not in shuffled:
            random.Random(f"{seed} {turn}").shuffle(shuffled.setdefault(turn, list(range(rows))))
        yield shuffled[turn][place % rows]


def _step(student: Any, teacher: Any, batch: list[list[int]], job: Job) -> float:
    """Gradients of the whole batch; its loss in nats a token."""
    at_once, total = max(1, _TOKENS_AT_ONCE // len(batch[0])), 0.0
    for begin in range(0, len(batch), at_once):
        part = torch.tensor(batch[begin : begin + at_once], device=student.device)
        with torch.autocast(student.device.type, torch.bfloat16, enabled=job.hardware.precision == "bf16"):
            with torch.no_grad():
                aim = teacher(part).logits
            written = student(part).logits
        loss = kl_div(log_softmax(written.float(), -1), log_softmax(aim.float(), -1), reduction="sum", log_target=True)
        loss = loss / (len(batch) * part.shape[1])
        loss.backward()
        total += float(loss.detach())
    return total


def _save(path: Path, trained: list[Any], optimizer: Any, schedule: Any, losses: list[float]) -> None:
    partial = path.with_name(path.name + ".partial")
    weights = [weight.detach() for weight in trained]
    state = {"weights": weights, "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict(), "losses": losses}
    torch.save(state, partial)
    partial.replace(path)


def _resume(path: Path, trained: list[Any], optimizer: Any, schedule: Any) -> tuple[int, list[float]]:
    """(steps done, their losses)."""
    if not path.is_file():
        return 0, []
    state = torch.load(path, weights_only=True, map_location=trained[0].device)
    with torch.no_grad():
        for weight, saved in zip(trained, state["weights"], strict=True):
            weight.copy_(saved)
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    return len(state["losses"]), list(state["losses"])


def make_file(job: Job, layers: dict[str, Any]) -> int:
    """Write `model-Q4_0.gguf` without an importance matrix, which would move weights off the grid; number of weights found equal.

    Raises ParityError when one is not the number that it was trained as.
    """
    whole, target = job.folder / ".model-F16.gguf", job.folder / FILE
    convert(job.folder / "model", whole)
    llama.quantize(whole, target, "Q4_0", job.hardware.threads)
    whole.unlink()
    names = gguf.get_tensor_name_map(ARCHITECTURE, len(layers))
    stored = {tensor.name: tensor for tensor in gguf.GGUFReader(target).tensors}
    compared = 0
    for name, layer in layers.items():
        tensor = stored[f"{names.get_name(name)}.weight"]
        values, expected = gguf.dequantize(tensor.data, tensor.tensor_type), layer.weight.detach().float().cpu().numpy()
        if not np.array_equal(values.reshape(expected.shape), expected):
            target.unlink()
            raise ParityError(f"{name} is not what was trained", where=target, fix="use the pinned versions of gguf and llama-cpp-python")
        compared += expected.size
    return compared
