"""A worker's error as the user reads it."""

import errno
from pathlib import Path

import pytest

from kishi import failure
from kishi.errors import KishiError


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KishiError("the loss is nan", where="metrics.jsonl", fix="lower the rate"), "metrics.jsonl: the loss is nan\n  -> lower the rate"),
        (OSError(errno.ENOSPC, "No space left on device"), "could not be written"),
        (MemoryError("4 GiB"), "smaller micro_batch_size"),
        (ValueError("odd shape"), "ValueError: odd shape"),
    ],
)
def test_the_first_workers_error_is_what_is_read(tmp_path: Path, error: BaseException, words: str) -> None:
    failure.write(tmp_path, raised(error))
    failure.write(tmp_path, raised(RuntimeError("Connection closed by peer")))  # what the other processes then see
    assert words in failure.read(tmp_path, ["torchrun's footer\n"]).message()


def test_the_cause_of_a_wrapped_error_counts(tmp_path: Path) -> None:
    failure.write(tmp_path, raised(RuntimeError("Worker failure"), OSError(errno.EDQUOT, "Disk quota exceeded")))
    assert "GB are free" in failure.read(tmp_path, []).message() and "Disk quota exceeded" in failure.read(tmp_path, []).message()


def test_without_a_note_the_log_speaks(tmp_path: Path) -> None:
    assert "last words" in failure.read(tmp_path, ["last words\n"]).message()


def test_a_killed_process_counts_only_as_the_first_to_fail(tmp_path: Path) -> None:
    failure.write(tmp_path, raised(RuntimeError("Connection closed by peer")))
    signal, root = "  traceback : Signal 9 (SIGKILL) received by PID 12\n", "Root Cause (first observed failure):\n"
    killed = failure.read(tmp_path, [root, signal])
    assert "was killed" in killed.message() and "memory" in killed.fix
    assert "Connection closed" in failure.read(tmp_path, [signal, root, "  exitcode : 1\n"]).message()
