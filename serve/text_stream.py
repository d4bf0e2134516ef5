"""Text that arrives in pieces: letters cut in the middle, and markers that may have begun at a piece's end."""

import codecs
from collections.abc import Sequence


def begun(text: str, markers: Sequence[str]) -> int:
    """Length of the longest end of `text` that is the beginning, not the whole, of a marker."""
    longest = max((len(marker) for marker in markers), default=1) - 1
    return next((n for n in range(min(longest, len(text)), 0, -1) if any(m.startswith(text[-n:]) for m in markers if len(m) > n)), 0)


class StoppedText:
    """Bytes in, text out, up to the first of the stop strings, of which no part is ever given out."""

    def __init__(self, stop: Sequence[str]) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._stop, self._held, self.stopped = tuple(stop), "", False

    def feed(self, data: bytes) -> str:
        """What is certain after these bytes; sets `stopped` at a stop string."""
        text = self._held + self._decoder.decode(data)
        ends = [place for place in (text.find(marker) for marker in self._stop) if place >= 0]
        if ends:
            self.stopped, self._held = True, ""
            return text[: min(ends)]
        keep = begun(text, self._stop)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def rest(self) -> str:
        """What was held back, when no more comes. The bytes of a letter that was never finished are left out."""
        held, self._held = self._held, ""
        return held
