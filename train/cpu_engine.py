"""Starts Megatron-Bridge; on a machine without a GPU it first answers the places where Megatron asks for CUDA.

NVIDIA has no CPU path. What is needed, measured with Megatron-Core 0.19.2 and Bridge 0.6.2: tensors asked for on "cuda" are made on the
CPU; the stream, memory and random-state calls of `torch.cuda` get harmless answers; Bridge, which imports Transformer Engine
unconditionally, finds an empty module while it loads, also where a real one is installed; `initialize` is told that no GPU is fine. On a
GPU machine only the compilation of helpers is patched.
"""

import contextlib
import functools
import inspect
import sys
import types
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


def _to_cpu(value: Any) -> Any:
    return "cpu" if isinstance(value, str | torch.device) and str(value).startswith("cuda") else value


class _CpuForCuda(TorchFunctionMode):
    """Rewrites device arguments of every torch call."""

    def __torch_function__(self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = dict(kwargs or {})
        if function is torch.Tensor.cuda:
            return args[0]
        if function is torch.Tensor.type and len(args) == 1 and not kwargs:
            return function(*args).replace("torch.", "torch.cuda.")  # gradient clipping asserts a CUDA tensor type
        if function is torch.Tensor.to:
            args = (args[0], *map(_to_cpu, args[1:]))
        if "device" in kwargs:
            kwargs["device"] = _to_cpu(kwargs["device"])
        kwargs.pop("pin_memory", None)
        return function(*args, **kwargs)


class _Stream:
    """A CUDA stream or event of which nothing is asked."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def _nothing(self, *_: Any, **__: Any) -> None: ...

    record = wait = synchronize = wait_stream = wait_event = _nothing


def _answers() -> dict[str, Any]:
    def nothing(*_: Any, **__: Any) -> None: ...

    def zero(*_: Any) -> int:
        return 0

    return {
        "current_device": lambda: torch.device("cpu"),
        "device_count": lambda: 1,
        "is_initialized": lambda: False,
        "get_device_capability": lambda *_: (0, 0),
        "get_device_name": lambda *_: "cpu",
        "mem_get_info": lambda *_: (1, 1),
        "memory_stats": lambda *_, **__: {},
        "manual_seed": torch.manual_seed,
        "get_rng_state": lambda *_, **__: torch.get_rng_state(),
        "set_rng_state": lambda state, *_, **__: torch.set_rng_state(state),
        "Stream": _Stream,
        "Event": _Stream,
        "current_stream": lambda *_: _Stream(),
        "default_stream": lambda *_: _Stream(),
        "stream": lambda _: contextlib.nullcontext(),
        **dict.fromkeys(("synchronize", "empty_cache", "set_device", "reset_peak_memory_stats"), nothing),
        **dict.fromkeys(("memory_allocated", "max_memory_allocated", "memory_reserved", "max_memory_reserved"), zero),
    }


@contextlib.contextmanager
def engine() -> Iterator[None]:
    """Within it Megatron-Bridge can be imported and used; for the whole life of the process that trains or exports."""
    if torch.cuda.is_available():
        _import_bridge()
        _overwrite_logits()
        yield
        return
    sys.modules["transformer_engine"] = None  # type: ignore[assignment]  # an installed one is not found: its kernels refuse a CPU
    import megatron.core.tensor_parallel.random as megatron_random

    for name, answer in _answers().items():
        setattr(torch.cuda, name, answer)
    torch.cuda.random.get_rng_state = lambda *_, **__: torch.get_rng_state()
    megatron_random._set_cuda_rng_state = lambda state, *_, **__: torch.set_rng_state(state)
    with _CpuForCuda():
        _import_bridge()
        _allow_no_cuda()
        yield


def _import_bridge() -> None:
    """Import Bridge, with an empty Transformer Engine in the place of a missing one while it loads."""
    # Megatron-Core first: it must see that there is none before the stand-in is there
    for module in ("megatron.core.fp8_utils", "megatron.core.models.gpt.gpt_layer_specs"):
        import_module(module)
    with contextlib.nullcontext() if find_spec("transformer_engine") else _empty_transformer_engine():
        initialize = import_module("megatron.bridge.training.initialize")
    # checkpoints name the layer spec of train/attention.py and the data set of train/data_order.py; Bridge instantiates what is allowed
    for module in ("train.attention.", "train.data_order."):
        import_module("megatron.bridge.utils.instantiate_utils").register_allowed_target_prefix(module)
    initialize.compile_helpers = lambda: None  # type: ignore[attr-defined]  # the wheel ships them compiled, without a Makefile


@contextlib.contextmanager
def _empty_transformer_engine() -> Iterator[None]:
    class Absent: ...

    package, pytorch = types.ModuleType("transformer_engine"), types.ModuleType("transformer_engine.pytorch")
    pytorch.__dict__.update(ops=types.SimpleNamespace(Sequential=Absent))
    pytorch.__dict__.update(dict.fromkeys(("Linear", "LayerNormLinear", "TransformerLayer"), Absent))
    package.__dict__.update(pytorch=pytorch, __path__=[], __version__="0.0.0")
    hidden = {name: sys.modules[name] for name in (package.__name__,) if name in sys.modules}
    sys.modules.update({package.__name__: package, pytorch.__name__: pytorch})
    try:
        yield
    finally:
        del sys.modules[package.__name__], sys.modules[pytorch.__name__]
        sys.modules.update(hidden)


def _overwrite_logits() -> None:
    """Let Transformer Engine put the gradient where the logits are: both are large, and Megatron-Core does not ask for it."""
    if find_spec("transformer_engine"):
        extension = import_module("megatron.core.extensions.transformer_engine")
        function = extension.parallel_cross_entropy
        if "overwrite_input" in inspect.signature(function).parameters:
            extension.parallel_cross_entropy = functools.partial(function, overwrite_input=True)  # type: ignore[attr-defined]


def _allow_no_cuda() -> None:
    import megatron.bridge.training.setup as setup

    setup.initialize_megatron = functools.partial(setup.initialize_megatron, allow_no_cuda=True)
