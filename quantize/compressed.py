"""What AWQ, GPTQ, AutoRound and FP8 share: llm-compressor runs the method, the folder is in compressed-tensors format, and is read back.

transformers and vLLM load such a folder as it is. Embeddings and the output layer, which are one matrix here, stay as they were.
"""

import importlib.util
import io
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from kishi.errors import ArtefactError, ParityError
from quantize import calibration
from quantize.model_folder import copy_tokenizer, load
from recipes.job import Job
from recipes.schema_quantize import Grouped

os.environ.setdefault("LLM_COMPRESSOR_LOG_LEVEL", "ERROR")  # read when the library is imported; it warns of machines without a GPU

IGNORED = ["lm_head"]
DTYPE = torch.bfloat16  # of what is not rounded further, as it is served; auto-round knows no other on a CPU
MAX_DIFFERENCE = 0.05  # of the logits as read back, relative to their spread; none on a CPU, but bfloat16 may be summed in another order
_SIZES = (128, 64, 32)
_ROWS_AT_ONCE = 8  # of calibration text: one row leaves a GPU idle, and AWQ runs each layer 20 times

# (model) -> modifiers of llm-compressor; the model is given because group sizes depend on its rows
Modifiers = Callable[[Any], list[Any]]


def group_size(model: Any, section: Grouped) -> int:
    """The largest of 128, 64 and 32 that is not above the recipe's and divides the rows of every linear layer but the head."""
    widths = [m.in_features for name, m in model.named_modules() if isinstance(m, torch.nn.Linear) and name not in IGNORED]
    for size in _SIZES:
        if size <= section.group_size and all(width % size == 0 for width in widths):
            return size
    raise ParityError(f"rows of {sorted(set(widths))} weights", where="model", fix="widths must be multiples of 32 for groups of weights")


def need_library() -> None:
    """Raises ArtefactError where llm-compressor is missing: the usual setup leaves it out."""
    if importlib.util.find_spec("llmcompressor") is None:
        raise ArtefactError("llm-compressor is not installed", where=".venv", fix="make setup-quantize")


def make(job: Job, modifiers: Modifiers, *, calibrated: bool) -> dict[str, Any]:
    """Write `model/` in the job's folder; facts. Raises ParityError when the folder does not hold the model that was made."""
    with redirect_stderr(io.StringIO()):  # the libraries' bars, of which there are hundreds
        return _make(job, modifiers, calibrated)


def _make(job: Job, modifiers: Modifiers, calibrated: bool) -> dict[str, Any]:
    _quiet()
    source, target = job.chat_model, job.folder / "model"
    found = calibration.rows(job, source)
    model = load(source, job.hardware, DTYPE)
    _run(model, modifiers(model), calibration.flat(found) if calibrated else None)
    shutil.rmtree(target, ignore_errors=True)
    probe = torch.tensor(calibration.flat(found)[:2])
    expected = _logits(model, probe)  # before saving, which packs the weights in place
    model.save_pretrained(target, save_compressed=True)
    copy_tokenizer(source, target)
    difference = check_same(_logits(load(target, job.hardware, DTYPE), probe), expected, target)
    return {
        "bytes": sum(path.stat().st_size for path in target.glob("*.safetensors")),
        "bits_per_weight": round(bits_per_weight(target, source), 3),
        "calibration_tokens": calibration.tokens(found) if calibrated else {},
        "difference_read_back": difference,
    }


def _quiet() -> None:
    """One line for the stage: bars and notes of the libraries would bury it."""
    import datasets

    datasets.disable_progress_bars()
    for name in ("compressed_tensors", "torch.fx", "auto_round", "autoround"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _run(model: Any, modifiers: list[Any], rows: Sequence[Sequence[int]] | None) -> None:
    from datasets import Dataset
    from llmcompressor import oneshot
    from llmcompressor.pipelines.cache import IntermediatesCache

    if not torch.cuda.is_available():
        # 0.13.0 pins memory for AWQ without asking whether there is an accelerator
        IntermediatesCache.pin_memory = lambda *_, **__: None  # type: ignore[method-assign]
    if rows is None:
        oneshot(model=model, recipe=modifiers)
        return
    data = Dataset.from_dict({"input_ids": rows, "attention_mask": [[1] * len(row) for row in rows]})
    oneshot(
        model=model,
        dataset=data,
        recipe=modifiers,
        batch_size=_ROWS_AT_ONCE,
        max_seq_length=len(rows[0]),
        num_calibration_samples=len(rows),
        shuffle_calibration_samples=False,  # so that equal text gives equal weights
    )


@torch.inference_mode()
def _logits(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    return model.eval()(tokens.to(model.device)).logits.float().cpu()


def check_same(found: torch.Tensor, expected: torch.Tensor, folder: Path) -> float:
    """Root mean square difference of logits between the folder, read by transformers, and the model in memory, by their spread."""
    difference = float((found - expected).square().mean().sqrt() / expected.std())
    if not difference <= MAX_DIFFERENCE:
        raise ParityError(
            f"logits of the folder differ from the quantised model's by {difference:.3f} of their spread",
            where=folder,
            fix="llm-compressor, compressed-tensors and transformers do not fit together: use the pinned versions",
        )
    return difference


def bits_per_weight(folder: Path, source: Path) -> float:
    """Bits of all tensors in the folder, scales included, for each weight of the model it was made from."""
    return 8 * _tensors(folder)[1] / _tensors(source)[0]


def _tensors(folder: Path) -> tuple[int, int]:
    """(elements, bytes)."""
    elements, size = 0, 0
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - safe_open is no mapping
                tensor = tensors.get_tensor(name)
                elements, size = elements + tensor.numel(), size + tensor.nbytes
    return elements, size
