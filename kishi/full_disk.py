"""Whether an error says that the disk is full: Python has an errno for it, libraries in Rust and C++ only words."""

import errno
from collections.abc import Iterator

_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_WORDS = ("No space left on device", "Disk quota exceeded", "File too large")  # strerror's


def is_full_disk(error: BaseException) -> bool:
    """True when the error, or one that it came from, is of a write that found no room."""
    return any((isinstance(e, OSError) and e.errno in _ERRNOS) or any(words in str(e) for words in _WORDS) for e in causes(error))


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what it was raised from, and so on."""
    found: BaseException | None = error
    while found:
        yield found
        found = found.__cause__ or found.__context__
