"""Converts Megatron checkpoints, in a process of its own: `python -m conversion.export_worker CHECKPOINTS FOLDER [CHECKPOINTS FOLDER ...]`.

A FOLDER holds `config.json`; added are `model.safetensors`, `generation_config.json` and Megatron's logits for the ids in
`.parity_ids.json`. A checkpoint may have been written by any number of processes, on any hardware.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conversion.worker import guarded


def main(pairs: Sequence[tuple[Path, Path]]) -> None:
    """Convert each and compute logits. Raises when a weight has no counterpart on either side."""
    from train.cpu_engine import engine

    with engine():
        weights = [_megatron_side(checkpoints, folder) for checkpoints, folder in pairs]
    for (_, folder), named in zip(pairs, weights, strict=True):
        _save(named, folder)


def _megatron_side(checkpoints: Path, folder: Path) -> dict[str, Any]:
    """Weights of the newest checkpoint under their Hugging Face names, in fp32; writes the logits of each text."""
    from safetensors.torch import save_file

    from conversion import megatron_model

    with megatron_model.alone():
        model = megatron_model.from_checkpoint(max(checkpoints.glob("iter_*"), default=checkpoints))
        weights = {name: tensor.clone().contiguous() for name, tensor in megatron_model.weights(folder, model)}
        texts = json.loads((folder / ".parity_ids.json").read_text())
        save_file({str(n): megatron_model.logits(model, ids) for n, ids in enumerate(texts)}, folder / ".logits.safetensors")
    return weights


def _save(weights: dict[str, Any], folder: Path) -> None:
    """Through the real class, strictly: a missing or an unknown weight is an error, a tied head is stored once."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder)
    model = AutoModelForCausalLM.from_config(config)
    if config.tie_word_embeddings:
        weights.setdefault("lm_head.weight", weights["model.embed_tokens.weight"])
    model.load_state_dict(weights, strict=True)
    model.save_pretrained(folder)


if __name__ == "__main__":
    paths = [Path(argument) for argument in sys.argv[1:]]
    guarded(lambda: main(list(zip(paths[::2], paths[1::2], strict=True))))
