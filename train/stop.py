"""How a phase is asked to stop: save, end, go on later.

A signal cannot be sent to the workers as it comes: torchrun gives its workers 30 seconds and then kills them, srun ends all tasks at once,
and the workers may be on other machines. So the stage notes the request in its folder, the first worker, which is on the same machine,
sees it after its step, and Megatron-Bridge's own handler makes all workers save and end at the same step.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from kishi.errors import KishiError
from kishi.signals import STOP, STOPPED, say

REQUEST = ".stop"


class Stopped(KishiError):
    """Training ended before its last step because a signal asked for it; all steps done are saved."""

    exit_code = STOPPED


@contextmanager
def requests_noted(folder: Path) -> Iterator[None]:
    """In the stage: signals become a request of which the workers learn. Further ones change nothing; SIGINT still ends at once."""
    (folder / REQUEST).unlink(missing_ok=True)

    def note(number: int, _: FrameType | None) -> None:
        if not requested(folder):
            (folder / REQUEST).write_text(signal.Signals(number).name)
            say(f"{signal.Signals(number).name}: finishing the step and saving a checkpoint")

    before = {number: signal.signal(number, note) for number in STOP}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def requested(folder: Path) -> str:
    """Name of the signal that asked; empty when none did."""
    path = folder / REQUEST
    return path.read_text() if path.exists() else ""


def obey(folder: Path) -> None:
    """In the first worker, at the end of a step: hand the request to Megatron-Bridge's handler, which waits for SIGTERM."""
    if requested(folder):
        signal.raise_signal(signal.SIGTERM)


def warning_means_stop() -> None:
    """In each worker: SIGUSR1 counts as SIGTERM, where Slurm sends it to every process of a job instead of to the stage alone."""
    signal.signal(signal.SIGUSR1, lambda *_: signal.raise_signal(signal.SIGTERM))
