"""Bits per byte of UTF-8 text: the loss that means the same for every tokenizer (DESIGN: `docs/metrics.md`).

A document is scored from its first token on, given an end-of-text token before it; the closing end-of-text is not scored. Long
documents are cut into windows; each window but the first is given the last half window as context, so nearly every token
is predicted from at least half a window of text. Method: strided perplexity ("Perplexity of fixed-length models", transformers guide).
"""

import math
from collections.abc import Iterator, Sequence
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


def batches(cut: Sequence[Window], tokens: int) -> Iterator[list[Window]]:
    """Windows of like length together, each batch at most `tokens` inputs after padding (a longer window goes alone).

    The bound is on tokens rather than windows because logits need tokens x vocabulary x 4 bytes, whatever the window's length.
    """
    batch: list[Window] = []
    for window in sorted(cut, key=lambda window: len(window.tokens)):
        if batch and (len(batch) + 1) * (len(window.tokens) - 1) > tokens:
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch


def padded(batch: Sequence[Window], pad: int, ignore: int) -> tuple[list[list[int]], list[list[int]]]:
    """(inputs, targets), each windows x longest input: filled with `pad` on the right, where causal attention cannot look.

    `targets[row][i]` is what follows `inputs[row][i]`, or `ignore` for context that is not scored and for padding.
    """
    longest = max(len(window.tokens) for window in batch) - 1
    inputs, targets = [], []
    for window in batch:
        given, filling = len(window.tokens) - 1 - window.scored, longest - (len(window.tokens) - 1)
        inputs.append(window.tokens[:-1] + [pad] * filling)
        targets.append([ignore] * given + window.tokens[given + 1 :] + [ignore] * filling)
    return inputs, targets


def bits_per_byte(negative_log_likelihood: float, text_bytes: int) -> float:
    """Nats summed over all tokens of a text -> bits per byte of its UTF-8 form."""
    if text_bytes <= 0:
        raise ValueError("bits per byte of an empty text")
    return negative_log_likelihood / math.log(2) / text_bytes
