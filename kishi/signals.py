"""SIGTERM and SIGUSR1: somebody else wants this process to end soon. Slurm sends them before a time limit and at pre-emption."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from kishi.processes import kill_descendants

STOP = (signal.SIGTERM, signal.SIGUSR1)
STOPPED = 75  # exit code: EX_TEMPFAIL of sysexits.h, "try again later"; the same command goes on

_before_end: list[Callable[[], None]] = []


def end_on_stop() -> None:
    """From now on these signals end the process and all that it started with a line and exit code 75, at once: every stage survives that.

    An exception would be swallowed here and there on its way up. What wants to finish something first (training: its step and a
    checkpoint) handles the signals itself while it runs.
    """
    own = os.getpid()

    def end(number: int, _: FrameType | None) -> None:
        for other in STOP:
            signal.signal(other, signal.SIG_IGN)
        if os.getpid() == own:  # processes forked from this one inherit the handler
            say(f"stopped by {signal.Signals(number).name}; the same command goes on from here")
            for function in _before_end:
                function()
            kill_descendants()
            with suppress(RuntimeError, OSError):  # RuntimeError: the signal came in the middle of a write
                sys.stdout.flush()
        os._exit(STOPPED)

    for number in STOP:
        signal.signal(number, end)


@contextmanager
def before_end(function: Callable[[], None]) -> Iterator[None]:
    """Within it, `function` is called when a signal ends the process."""
    _before_end.append(function)
    try:
        yield
    finally:
        _before_end.remove(function)


def say(line: str) -> None:
    """Write to stderr, safe in a signal handler: `print` must not be entered twice."""
    os.write(2, f"{line}\n".encode())
