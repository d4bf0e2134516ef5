"""In two processes: Megatron models cut over both, by tensors and by layers, saved as training saves them.

OUT holds `ids.json`; added are `{tensor,pipeline}/checkpoints` and the logits of the cut models, `{tensor,pipeline}.safetensors`.
"""

import json
from pathlib import Path
from typing import Any

from recipes.hardware import Hardware
from recipes.loading import load_hardware, load_recipe
from train.cpu_engine import engine

SHAPE = [
    "tokenizer.vocab_size=768", "model.layers=2", "model.hidden_size=64", "model.ffn_hidden_size=128",
    "model.attention_heads=4", "model.kv_heads=2", "model.head_dim=32",
]  # fmt: skip


def main(out: Path) -> None:
    with engine():
        import torch
        from megatron.core import parallel_state

        torch.distributed.init_process_group("gloo")
        ids = json.loads((out / "ids.json").read_text())
        cpu = load_hardware("cpu-2").model_dump()
        for name in ("tensor", "pipeline"):
            hardware = Hardware.model_validate({**cpu, f"{name}_parallel": 2})
            parallel_state.initialize_model_parallel(hardware.tensor_parallel, hardware.pipeline_parallel)
            save(hardware, out / name, ids)
            parallel_state.destroy_model_parallel()
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def save(hardware: Hardware, out: Path, ids: list[int]) -> None:
    import torch
    from megatron.bridge.training.model_load_save import save_megatron_model
    from safetensors.torch import save_file

    from train.configure import model_provider

    torch.manual_seed(5)
    provider: Any = model_provider(load_recipe(Path("recipes/kishi-tiny.yaml"), SHAPE), hardware)
    provider.finalize()
    model = provider.provide_distributed_model(wrap_with_ddp=False, use_cpu_initialization=True)
    with torch.no_grad():
        for name, weight in model[0].named_parameters():
            if "norm" in name:  # ones at the start: a lost one would not show
                weight.copy_(torch.linspace(0.5, 1.5, weight.numel()))
        logits = forward(model[0].eval(), ids, hardware)
    save_megatron_model(model, out / "checkpoints")
    if torch.distributed.get_rank() == 1:
        save_file({"0": logits}, out.with_suffix(".safetensors"))


def forward(model: Any, ids: list[int], hardware: Hardware) -> Any:
    """(length, vocabulary) on the last process: parts of the vocabulary joined, or layers one process after the other."""
    import torch

    tokens, positions = torch.tensor([ids]), torch.arange(len(ids))[None]
    rank = torch.distributed.get_rank()
    if hardware.tensor_parallel == 2:
        part = model(tokens, positions, None).contiguous()
        parts = [torch.empty_like(part) for _ in range(2)]
        torch.distributed.all_gather(parts, part)
        return torch.cat(parts, dim=-1)[0].contiguous()
    if rank == 1:
        hidden = torch.empty(len(ids), 1, 64)
        torch.distributed.recv(hidden, 0)
        model.set_input_tensor(hidden)
    out = model(tokens, positions, None)
    if rank == 0:
        torch.distributed.send(out.contiguous(), 1)
    return out[0].contiguous()
