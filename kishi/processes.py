"""Processes that end with the one that started them: a killed stage must leave none that goes on writing beside the next attempt."""

import ctypes
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends. To be called first thing, or as `preexec_fn` of `subprocess`."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the kernel was asked
        sys.exit(1)


def take_forks_along() -> None:
    """From now on, processes forked from this one end with it, also those that libraries start."""
    os.register_at_fork(after_in_child=die_with_parent)


def kill_descendants() -> None:
    """SIGKILL to every process that this one started, directly or not, and that still lives."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])  # after the name, which may hold anything
        except OSError:  # it ended while we looked
            continue
        children.setdefault(parent, []).append(int(folder.name))
    left = [os.getpid()]
    while left:
        for child in children.get(left.pop(), []):
            left.append(child)
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
