"""Where the time of a GPU goes: torch's profiler over some steps, kernels added up by what they do."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

# The first pattern that matches a kernel's name gives its group. Names seen with torch 2.11, Transformer Engine 2.20, cuDNN 9.20.
GROUPS: dict[str, str] = {
    "communication": r"nccl|userbuffers",
    "attention": r"sdpa|fmha|flash|attention",
    "cross-entropy": r"cross_entropy|softmax|nll_loss|online_softmax",
    "optimizer": r"multi_tensor|adam|l2norm|muon|newton_schulz",
    "GEMM": r"gemm|nvjet|cutlass|cublas|splitk|xmma|wgmma",
    "rope": r"rope|rotary",
    "norm": r"rmsnorm|rms_norm|layernorm|layer_norm|rsqrt|::normalization|ln_fwd|ln_bwd",
    "SwiGLU": r"swiglu|silu|gated_act|gated",
    "embedding": r"embedding|indexselect|index_put|indexing_backward|radix|sort",
    "copies and fills": r"memcpy|memset|direct_copy|fillfunctor|catarray|copy_kernel|transpose",
    "other elementwise": r"elementwise|triton_|reduce_kernel|vectorized",
}
REST, IDLE = "rest", "idle"
_TOP = 45  # kernels listed by name


@dataclass(frozen=True)
class Kernel:
    """One execution; microseconds."""

    name: str
    start: float
    end: float


def group_of(name: str) -> str:
    """What the kernel does, by its name."""
    return next((group for group, pattern in GROUPS.items() if re.search(pattern, name, re.IGNORECASE)), REST)


def start() -> Any:
    """A running profiler of the GPU's kernels alone: watching the host would slow it down."""
    import torch

    profiler = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA])
    profiler.start()
    return profiler


def write(profiler: Any, steps: int, path: Path) -> None:
    """Stop the profiler and write the table."""
    from torch.autograd import DeviceType

    profiler.stop()
    events = (event for event in profiler.events() if event.device_type == DeviceType.CUDA)
    kernels = [Kernel(event.name, event.time_range.start, event.time_range.end) for event in events]
    path.write_text(report(kernels, steps), encoding="utf-8")


def busy(kernels: Iterable[Kernel]) -> float:
    """Microseconds in which at least one kernel runs."""
    total, until = 0.0, float("-inf")
    for kernel in sorted(kernels, key=lambda kernel: kernel.start):
        total += max(0.0, kernel.end - max(kernel.start, until))
        until = max(until, kernel.end)
    return total


def _longest(times: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(times.items(), key=itemgetter(1), reverse=True)


def report(kernels: list[Kernel], steps: int) -> str:
    """Milliseconds a step by group, then the longest kernels. Groups add up to more than the whole where kernels run side by side."""
    if not kernels:
        return "no kernel ran on a GPU\n"
    whole = max(kernel.end for kernel in kernels) - min(kernel.start for kernel in kernels)
    by_group, by_name, counts = defaultdict[str, float](float), defaultdict[str, float](float), Counter[str]()
    for kernel in kernels:
        by_group[group_of(kernel.name)] += kernel.end - kernel.start
        by_name[kernel.name] += kernel.end - kernel.start
        counts[kernel.name] += 1
    by_group[IDLE] = whole - busy(kernels)
    lines = [f"{steps} steps, {whole / steps / 1e3:.1f} ms each from the first kernel to the last", "", "ms a step   share  group"]
    lines += [
        f"{us / steps / 1e3:9.2f}  {us / whole:6.1%}  {group}" for group, us in sorted(by_group.items(), key=itemgetter(1), reverse=True)
    ]
    lines += ["", "ms a step  calls a step  group              kernel"]
    for name, us in _longest(by_name)[:_TOP]:
        lines.append(f"{us / steps / 1e3:9.2f}  {counts[name] / steps:12.1f}  {group_of(name):17}  {name[:150]}")
    return "\n".join(lines) + "\n"
