"""Which of the processes started by torchrun this one is."""

import os


def is_main() -> bool:
    """True in the one that writes files and talks: the first, or the only one."""
    return os.environ.get("RANK", "0") == "0"


def is_worker() -> bool:
    """True in a process that torchrun started."""
    return "RANK" in os.environ
