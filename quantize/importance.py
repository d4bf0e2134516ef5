"""Importance matrix: how strongly each input of each linear layer is used, so that rounding errors are spared where they would show.

Method: the mean over tokens of the squared activations of each input column, as llama.cpp's `llama-imatrix` collects them
(ggml-org/llama.cpp pull request 4861); llama.cpp then minimises the rounding error of a row weighted by it. Here the activations are
those of the Hugging Face model in 32 bits. The embedding, which is also the output layer, is left out, as that tool does by default.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from conversion.gguf import ARCHITECTURE
from kishi.errors import ArtefactError

_BATCH_TOKENS = 4096


def measure(model: Any, rows: Sequence[Sequence[int]]) -> dict[str, np.ndarray]:
    """GGUF tensor name -> mean of squares, one value a column. `rows` are of one length; the model may be on any device."""
    import torch

    names = gguf.get_tensor_name_map(ARCHITECTURE, model.config.num_hidden_layers)
    sums: dict[str, Any] = {}

    def watch(name: str, layer: Any) -> Any:
        sums[name] = torch.zeros(layer.in_features, dtype=torch.float64, device=layer.weight.device)

        def hook(_: Any, inputs: tuple[Any, ...]) -> None:
            sums[name] += inputs[0].float().square().flatten(0, -2).sum(0)

        return layer.register_forward_pre_hook(hook)

    with ExitStack() as stack, torch.inference_mode():
        for name, layer in model.named_modules():
            if isinstance(layer, torch.nn.Linear) and (target := names.get_name(name)) and target != "output":
                stack.callback(watch(f"{target}.weight", layer).remove)
        size = max(1, _BATCH_TOKENS // len(rows[0]))
        for begin in range(0, len(rows), size):
            model.model(torch.tensor(rows[begin : begin + size], device=model.device))
    tokens = sum(map(len, rows))
    return {name: (total / tokens).float().cpu().numpy() for name, total in sums.items()}


def write(path: Path, matrix: Mapping[str, np.ndarray], tokens: int, length: int) -> None:
    """In the format of `llama-imatrix`, so that llama.cpp's own tools read it. Written whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    writer = gguf.GGUFWriter(partial, "imatrix")
    writer.add_string("general.type", "imatrix")
    writer.add_array("imatrix.datasets", ["corpus of the data stage"])
    writer.add_uint32("imatrix.chunk_count", tokens // length)
    writer.add_uint32("imatrix.chunk_size", length)
    for name, means in matrix.items():
        writer.add_tensor(f"{name}.in_sum2", (means * tokens).reshape(1, -1))
        writer.add_tensor(f"{name}.counts", np.full((1, 1), tokens, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.replace(path)


def read(path: Path) -> dict[str, np.ndarray]:
    """What `write` wrote. Raises ArtefactError when a value is not finite."""
    tensors = {tensor.name: np.asarray(tensor.data) for tensor in gguf.GGUFReader(path).tensors}
    ending = ".in_sum2"
    found = {
        (base := name.removesuffix(ending)): (sums.reshape(-1) / tensors[f"{base}.counts"].reshape(-1)[0]).astype(np.float32)
        for name, sums in tensors.items()
        if name.endswith(ending)
    }
    for name, means in found.items():
        if not np.isfinite(means).all():
            raise ArtefactError(f"importance of {name} is not finite", where=path, fix="the model holds NaN or infinity: make it again")
    return found
