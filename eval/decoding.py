"""How fast a model writes and what memory its process needs, in a process of its own.

python -m eval.decoding PATH DEVICE LENGTH THREADS < token ids as a JSON list: prints one line of JSON

The model is fed the given text a token at a time, as it is when it writes: the same tokens for every form of a model, whatever it would
have written. llama.cpp runs GGUF files; transformers runs folders in bfloat16, which is not how a server such as vLLM runs them.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kishi.errors import ArtefactError
from recipes.hardware import Hardware

_PROMPT, _TOKENS, _TURNS = 16, 64, 3


def measure(path: Path, ids: Sequence[int], length: int, hardware: Hardware) -> dict[str, Any]:
    """`tokens_per_second` and `peak_memory_bytes` by device: the cpu, but for folders the gpu on a machine with one."""
    devices = ["gpu" if hardware.device == "gpu" and path.suffix != ".gguf" else "cpu"]
    found = {device: _in_a_process(path, ids, length, hardware.threads, device) for device in devices}
    return {key: {device: row[key] for device, row in found.items()} for key in ("tokens_per_second", "peak_memory_bytes")}


def _in_a_process(path: Path, ids: Sequence[int], length: int, threads: int | None, device: str) -> dict[str, Any]:
    few = list(ids[: min(length, _PROMPT + _TOKENS)])
    command = [sys.executable, "-m", "eval.decoding", str(path), device, str(length), str(threads or 0)]
    done = subprocess.run(command, input=json.dumps(few), capture_output=True, text=True, check=False)
    if done.returncode:
        raise ArtefactError(f"could not be run on {device}: {done.stderr.strip()[-300:]}", where=path, fix="make it again")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _turns(prompt: Callable[[list[int]], None], feed: Callable[[int], None], ids: list[int]) -> float:
    """Median of tokens a second over turns; each reads the first tokens at once and then the others one by one."""
    half = min(_PROMPT, len(ids) // 2)
    speeds = []
    for _ in range(_TURNS):
        prompt(ids[:half])
        feed(ids[half])  # the first step also allocates
        begin = time.perf_counter()
        for token in ids[half + 1 :]:
            feed(token)
        speeds.append((len(ids) - half - 1) / (time.perf_counter() - begin))
    return round(statistics.median(speeds), 2)


def _llama(path: Path, ids: list[int], length: int, threads: int | None) -> float:
    from llama_cpp import Llama

    model = Llama(str(path), n_ctx=length, n_threads=threads, n_threads_batch=threads, verbose=False)

    def prompt(tokens: list[int]) -> None:
        model.reset()
        model.eval(tokens)

    speed = _turns(prompt, lambda token: model.eval([token]), ids)
    model.close()
    return speed


def _transformers(path: Path, ids: list[int], threads: int | None, device: str) -> float:
    import torch
    from transformers import AutoModelForCausalLM

    if threads:
        torch.set_num_threads(threads)
    place = "cuda" if device == "gpu" else "cpu"
    model: Any = AutoModelForCausalLM.from_pretrained(path, dtype=torch.bfloat16).to(place).eval()
    cache: list[Any] = [None]

    @torch.inference_mode()
    def read(tokens: list[int]) -> None:
        cache[0] = model(torch.tensor([tokens], device=place), past_key_values=cache[0], use_cache=True).past_key_values
        if place == "cuda":
            torch.cuda.synchronize()

    def prompt(tokens: list[int]) -> None:
        cache[0] = None
        read(tokens)

    return _turns(prompt, lambda token: read([token]), ids)


def _peak_memory(device: str) -> int:
    """Bytes of this process: resident at most (with its libraries), or allocated on the GPU at most."""
    if device == "gpu":
        import torch

        return int(torch.cuda.max_memory_allocated())
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def main() -> None:
    """Command line."""
    path, device, length, threads = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]) or None
    ids = json.load(sys.stdin)
    speed = _llama(path, ids, length, threads) if path.suffix == ".gguf" else _transformers(path, ids, threads, device)
    print(json.dumps({"tokens_per_second": speed, "peak_memory_bytes": _peak_memory(device)}))


if __name__ == "__main__":
    main()
