"""SIGTERM and SIGUSR1: somebody else wants this process to end soon. Slurm sends them before a time limit and at pre-emption."""

import os
import signal
from types import FrameType

STOP = (signal.SIGTERM, signal.SIGUSR1)
STOPPED = 75  # exit code: EX_TEMPFAIL of sysexits.h, "try again later"; the same command goes on


def say(line: str) -> None:
    """Write to stderr, safe in a signal handler: `print` must not be entered twice."""
    os.write(2, f"{line}\n".encode())


def end_on_stop() -> None:
    """From now on these signals end the process with a line and exit code 75, by an exception: children and locks are let go of.

    What takes long to finish (a step of training, its checkpoint) handles them itself while it runs.
    """
    own = os.getpid()

    def end(number: int, _: FrameType | None) -> None:
        if os.getpid() == own:  # processes forked from this one inherit the handler, not the message
            say(f"stopped by {signal.Signals(number).name}; the same command goes on from here")
        raise SystemExit(STOPPED)

    for number in STOP:
        signal.signal(number, end)
