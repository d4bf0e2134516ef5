"""Converts Megatron checkpoints, in a process of its own: `python -m conversion.export_worker CHECKPOINTS FOLDER [CHECKPOINTS FOLDER ...]`.

A FOLDER holds `config.json`; added are `model.safetensors`, `generation_config.json` and Megatron's logits for the ids in
`.parity_ids.json`.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kishi.processes import die_with_parent


def main(pairs: Sequence[tuple[Path, Path]]) -> None:
    """Convert each and compute logits. Raises when a weight has no counterpart on either side."""
    die_with_parent()
    from train.cpu_engine import engine

    with engine():
        weights = [_megatron_side(checkpoints, folder) for checkpoints, folder in pairs]
    for (_, folder), named in zip(pairs, weights, strict=True):
        _save(named, folder)


def _megatron_side(checkpoints: Path, folder: Path) -> dict[str, Any]:
    """Weights under their Hugging Face names, in fp32; writes the logits of each text."""
    import torch
    from megatron.bridge import AutoBridge
    from megatron.bridge.training.model_load_save import temporary_distributed_context
    from safetensors.torch import save_file
    from transformers import AutoConfig

    bridge = AutoBridge.from_hf_config(AutoConfig.from_pretrained(folder))
    with temporary_distributed_context(backend="gloo"), torch.no_grad():
        model = bridge.load_megatron_model(str(checkpoints), wrap_with_ddp=False)
        weights = {name: tensor.float().clone().contiguous() for name, tensor in bridge.export_hf_weights(model, show_progress=False)}
        texts = json.loads((folder / ".parity_ids.json").read_text())
        logits = {str(number): _logits(model[0].eval().float(), ids) for number, ids in enumerate(texts)}
    save_file(logits, folder / ".logits.safetensors")
    return weights


def _logits(model: Any, ids: list[int]) -> Any:
    import torch

    tokens = torch.tensor([ids])
    return model(tokens, torch.arange(len(ids))[None], None)[0].float().contiguous()


def _save(weights: dict[str, Any], folder: Path) -> None:
    """Through the real class, strictly: a missing or an unknown weight is an error, the tied head is stored once."""
    from transformers import AutoConfig, AutoModelForCausalLM

    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    weights.setdefault("lm_head.weight", weights["model.embed_tokens.weight"])
    model.load_state_dict(weights, strict=True)
    model.save_pretrained(folder)


if __name__ == "__main__":
    paths = [Path(argument) for argument in sys.argv[1:]]
    main(list(zip(paths[::2], paths[1::2], strict=True)))
