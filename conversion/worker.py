"""Runs a conversion in a process of its own, on the CPU: there Megatron needs a patched torch, which nothing else should see."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from kishi.errors import ArtefactError, KishiError, ParityError
from kishi.processes import die_with_parent

_REFUSED = 3  # exit code: the last line of the error output is what to tell the user
_KINDS: dict[str, type[KishiError]] = {kind.__name__: kind for kind in (ArtefactError, ParityError, KishiError)}


def run(module: str, paths: Sequence[Path]) -> None:
    """`python -m module PATHS`, to its end. Raises the KishiError that it ended with, or one with its last lines."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TORCHDYNAMO_DISABLE": "1", "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-m", module, *(str(path.absolute()) for path in paths)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        preexec_fn=die_with_parent,
    )
    if done.returncode == _REFUSED:
        values = json.loads(done.stderr.splitlines()[-1])
        raise _KINDS[values.pop("kind")](**values)
    if done.returncode:
        raise KishiError("the conversion ended with an error:\n" + "\n".join(done.stderr.splitlines()[-12:]), where=paths[0])


def guarded(work: Callable[[], None]) -> None:
    """In the worker: do it, and hand a KishiError to `run`."""
    die_with_parent()
    try:
        work()
    except KishiError as error:
        kind = type(error).__name__ if type(error).__name__ in _KINDS else "KishiError"
        print("\n" + json.dumps({"kind": kind, "what": error.what, "where": error.where, "fix": error.fix}), file=sys.stderr)
        sys.exit(_REFUSED)
