"""Work on GGUF files in several processes at once, while this one works on the folders: llama.cpp's batches do not fill many cores."""

import multiprocessing
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor

from kishi.progress import track
from recipes.hardware import Hardware


def shared_out(hardware: Hardware, files: int) -> tuple[int, Hardware]:
    """(processes: the overlay's `cpu_workers` but no more than files, one without it; the overlay with each one's share of the cores)."""
    workers = max(1, min(hardware.cpu_workers or 1, files))
    if workers == 1:
        return 1, hardware
    cores = len(os.sched_getaffinity(0))
    return workers, hardware.model_copy(update={"threads": max(1, (hardware.threads or cores) // workers)})


def run[T](here: Mapping[str, Callable[[], T]], elsewhere: Mapping[str, Callable[[], T]], workers: int, said: str) -> dict[str, T]:
    """What each call gives, by name. With one worker all run in this process; otherwise those of `elsewhere` must be picklable."""
    calls = {**here, **elsewhere}
    if workers == 1:
        return {name: call() for name, call in track(list(calls.items()), said)}
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:  # CUDA does not survive a fork
        begun = {name: pool.submit(call) for name, call in elsewhere.items()}
        return {name: begun[name].result() if name in begun else call() for name, call in track(list(calls.items()), said)}
