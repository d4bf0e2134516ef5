"""How a worker's own error reaches the user: a note in the stage's folder, instead of torchrun's report about its children."""

import json
import shutil
import traceback
from pathlib import Path

from kishi.errors import KishiError
from kishi.full_disk import causes, is_full_disk

NOTE = ".error.json"
# functions of Megatron-Bridge: beneath them, errors of writing come as a RuntimeError without their cause
_SAVING = ("save_checkpoint", "maybe_finalize_async_save")


def write(folder: Path, error: BaseException) -> None:
    """The first process that fails writes the note; the errors of the others follow from its."""
    shown = explain(error, folder)
    note = {"what": shown.what, "where": shown.where, "fix": shown.fix}
    try:
        with (folder / NOTE).open("x", encoding="utf-8") as stream:
            json.dump(note, stream, ensure_ascii=False)
    except OSError:  # another was first, or the disk is full: the log's last lines remain
        return


def read(folder: Path, last_lines: list[str]) -> KishiError:
    """What to tell the user about workers that ended with an error."""
    log = folder / ".train.log"
    first = "".join(last_lines).rpartition("Root Cause")[2]  # torchrun itself kills the others, in the end with the same signal
    if "Signal 9 (SIGKILL)" in first:
        return KishiError("a training process was killed", where=log, fix="if memory ran out: a smaller micro_batch_size in the overlay")
    try:
        return KishiError(**json.loads((folder / NOTE).read_bytes()))
    except (OSError, ValueError):
        return KishiError("training ended with an error:\n" + "".join(last_lines[-15:]), where=log, fix="mend it; the same command goes on")


def explain(error: BaseException, folder: Path) -> KishiError:
    """One clear message for what can be foreseen, the error's own words and place for the rest."""
    if isinstance(error, KishiError):
        return error
    chain = list(causes(error))
    frames = traceback.extract_tb(error.__traceback__)
    if is_full_disk(error) or any(frame.name in _SAVING for frame in frames):
        free = shutil.disk_usage(folder).free
        return KishiError(
            f"the checkpoint could not be written, {free / 1e9:.1f} GB are free: {_last_line(chain[-1])}",
            where=folder,
            fix="free some space; the same command goes on from the last checkpoint. The whole report is in .train.log there",
        )
    if any(isinstance(e, MemoryError) or type(e).__name__ == "OutOfMemoryError" for e in chain):
        return KishiError(f"memory ran out: {error}", fix="a smaller micro_batch_size in the overlay (--hw)")
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return KishiError(
        f"training stopped: {type(error).__name__}: {error}", where=where, fix="the whole report is in .train.log of the stage"
    )


def _last_line(error: BaseException) -> str:
    """torch's checkpoint errors carry whole tracebacks of other processes in their text."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
