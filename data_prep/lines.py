"""Measures over lines that datatrove's filters do not have, or only together with others: what a page of labels, headlines or templates
looks like. Each limit is the recipe's.
"""

import re

from recipes.schema_data import Limits

_SHORT = 30  # characters
_ENDS = tuple(".!?…:;,»”\"')]।。！？")
_ELLIPSIS = ("…", "...")
# `{ $name }`, `{ -brand }`, `{0}`, `%1`, `%s`, `%1$S`
_PLACEHOLDER = re.compile(r"\{ ?[$-]?[\w.-]{1,30} ?\}|%(?:\d\$)?[sSdif\d]\b")
_AFTER_SENTENCE = re.compile(r"[.!?…][»”\"')]*\s+[-–—«“\"'(]*\s*([^\W\d_])")
_PAGE = 10  # lines from which on short ones are a page of labels: a stanza has fewer
_SOME = 3  # placeholders
_ENOUGH = 5  # lines or sentences from which on a share says something


def lines_fault(text: str, limits: Limits) -> str | None:
    """The first limit that the lines break."""
    lines = [line for line in map(str.strip, text.split("\n")) if line]
    if len(lines) >= _ENOUGH:
        labels = sum(len(line) for line in lines if len(line) <= _SHORT and not line.endswith(_ENDS))
        if len(lines) >= _PAGE and labels > limits.max_labels * sum(map(len, lines)):
            return "labels"
        if sum(line.endswith(_ELLIPSIS) for line in lines) > limits.max_ellipsis_lines * len(lines):
            return "ellipsis-lines"
    if limits.max_lower_case < 1:
        first = _AFTER_SENTENCE.findall(text)
        if len(first) >= _ENOUGH and sum(map(str.islower, first)) > limits.max_lower_case * len(first):
            return "lower-case"
    if "{" in text or "%" in text:
        found = len(_PLACEHOLDER.findall(text))
        if found >= _SOME and found > limits.max_placeholders * len(text.split()):
            return "placeholders"
    return None
