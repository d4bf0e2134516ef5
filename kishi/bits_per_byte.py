"""Bits per byte of UTF-8 text: the loss that means the same for every tokenizer (DESIGN: `docs/metrics.md`).

A document is scored from its first token on, given an end-of-text token before it; the closing end-of-text is not scored. Long
documents are cut into windows; each window but the first is given the last half window as context, so nearly every token
is predicted from at least half a window of text. Method: strided perplexity ("Perplexity of fixed-length models", transformers guide).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Window:
    """`tokens[i + 1]` is to be predicted from `tokens[: i + 1]` for the last `scored` positions."""

    tokens: list[int]
    scored: int


def windows(document: Sequence[int], start: int, length: int) -> list[Window]:
    """Cut token ids into windows of at most `length` inputs in which every token of the document is scored exactly once.

    `start` is the id of the end-of-text token put before the document. A window holds `length + 1` ids at most, since the last id is
    only a target.
    """
    ids = [start, *document]
    result = []
    done = 1  # ids[0] is given, never scored
    while done < len(ids):
        context = length // 2 if done > 1 else 1
        begin = max(0, done - context)
        end = min(len(ids), begin + length + 1)
        result.append(Window(ids[begin:end], scored=end - done))
        done = end
    return result


def bits_per_byte(negative_log_likelihood: float, text_bytes: int) -> float:
    """Nats summed over all tokens of a text -> bits per byte of its UTF-8 form."""
    if text_bytes <= 0:
        raise ValueError("bits per byte of an empty text")
    return negative_log_likelihood / math.log(2) / text_bytes
