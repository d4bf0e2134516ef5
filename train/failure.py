"""How a worker's own error reaches the user: a note in the stage's folder, instead of torchrun's report about its children."""

import errno
import json
import traceback
from collections.abc import Iterator
from pathlib import Path

from kishi.errors import KishiError

NOTE = ".error.json"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_WORDS = ("No space left on device", "Disk quota exceeded", "File too large")  # where a library passes the text on, not the error


def write(folder: Path, error: BaseException) -> None:
    """The first process that fails writes the note; the errors of the others follow from its."""
    shown = explain(error)
    note = {"what": shown.what, "where": shown.where, "fix": shown.fix}
    try:
        with (folder / NOTE).open("x", encoding="utf-8") as stream:
            json.dump(note, stream, ensure_ascii=False)
    except OSError:  # another was first, or the disk is full: the log's last lines remain
        return


def read(folder: Path, last_lines: list[str]) -> KishiError:
    """What to tell the user about workers that ended with an error."""
    log = folder / ".train.log"
    if any("Signal 9 (SIGKILL)" in line for line in last_lines):
        return KishiError("a training process was killed", where=log, fix="if memory ran out: a smaller micro_batch_size in the overlay")
    try:
        return KishiError(**json.loads((folder / NOTE).read_bytes()))
    except (OSError, ValueError):
        return KishiError("training ended with an error:\n" + "".join(last_lines[-15:]), where=log, fix="mend it; the same command goes on")


def explain(error: BaseException) -> KishiError:
    """One clear message for what can be foreseen, the error's own words and place for the rest."""
    if isinstance(error, KishiError):
        return error
    chain = list(_causes(error))
    if any(isinstance(e, OSError) and e.errno in _FULL for e in chain) or any(word in str(e) for e in chain for word in _FULL_WORDS):
        return KishiError(
            f"a file could not be written: {chain[-1]}", fix="free some space; the same command goes on from the last checkpoint"
        )
    if any(isinstance(e, MemoryError) or type(e).__name__ == "OutOfMemoryError" for e in chain):
        return KishiError(f"memory ran out: {error}", fix="a smaller micro_batch_size in the overlay (--hw)")
    place = traceback.extract_tb(error.__traceback__)[-1:]
    where = f"{place[0].filename}:{place[0].lineno}" if place else ""
    return KishiError(
        f"training stopped: {type(error).__name__}: {error}", where=where, fix="the whole report is in .train.log of the stage"
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and those that it came from, the first cause last."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
