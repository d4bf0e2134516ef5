"""Whether a model's files hold every tensor that its architecture has, in its shape: nothing lost, nothing over."""

import json
import re
import struct
from collections.abc import Iterable
from math import prod
from pathlib import Path

Shapes = dict[str, tuple[int, ...]]
_PACKED = (".weight_packed", ".qweight")  # what compressed-tensors and AutoAWQ/GPTQ write in the place of `.weight`
_BESIDE = re.compile(  # what they write beside a quantised matrix
    r"\.(weight_(packed|scale|shape|zero_point|g_idx|global_scale)|input_scale|input_zero_point|output_scale|q(weight|zeros)|scales|g_idx)$"
)


def stored(folder: Path) -> Shapes:
    """Name and shape of each tensor in the folder's safetensors files, read from their heads. Raises ValueError on a damaged file."""
    shapes: Shapes = {}
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as stream:
            head = stream.read(8)
            length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
            described = json.loads(stream.read(length)) if 0 < length < 100_000_000 else {}
        described.pop("__metadata__", None)
        end = max((entry["data_offsets"][1] for entry in described.values()), default=0)
        if not described or path.stat().st_size != 8 + length + end:
            raise ValueError(f"{path.name} is cut off or not a safetensors file")
        shapes |= {name: tuple(entry["shape"]) for name, entry in described.items()}
    return shapes


def expected(folder: Path, reward: bool = False) -> Shapes:
    """What transformers' class for this config.json has, without making any weight; tied tensors once."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

    config = AutoConfig.from_pretrained(folder)
    if getattr(config, "quantization_config", None):
        config.quantization_config = None  # the plain shape: `lost` knows how packed tensors are called
    with torch.device("meta"):
        model = (AutoModelForSequenceClassification if reward else AutoModelForCausalLM).from_config(config)
    seen: dict[int, str] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        seen.setdefault(id(tensor), name)
    return {name: tuple(model.state_dict()[name].shape) for name in seen.values()}


def lost(found: Shapes, wanted: Shapes) -> list[str]:
    """Sentences on tensors that are missing, left over, or of another shape."""
    faults = []
    packed = {name.removesuffix(ending) for name in found for ending in _PACKED if name.endswith(ending)}
    for name, shape in wanted.items():
        if name in found:
            faults += [f"{name} has shape {list(found[name])}, not {list(shape)}"] if found[name] != shape else []
        elif name.removesuffix(".weight") not in packed:
            faults.append(f"{name} is missing")
    over = [name for name in found if name not in wanted and f"{_BESIDE.sub('', name)}.weight" not in wanted]
    return faults + [f"{name} is one too many" for name in over]


def elements(shapes: Iterable[tuple[int, ...]]) -> int:
    """How many numbers these tensors hold."""
    return sum(prod(shape) for shape in shapes)


def gguf_elements(path: Path) -> int:
    """How many weights a GGUF file holds. Raises ValueError when it cannot be read as one."""
    from gguf import GGUFReader

    try:
        return sum(int(tensor.n_elements) for tensor in GGUFReader(path).tensors if not tensor.name.startswith("rope_freqs"))
    except (ValueError, KeyError, IndexError) as error:
        raise ValueError(f"{path.name}: {error}") from error
