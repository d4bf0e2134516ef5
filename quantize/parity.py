"""What a GGUF file must share with the Hugging Face model it was made from: token ids, rendered chats, perplexity."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kishi.bits_per_byte import Window, windows
from kishi.errors import DataError, ParityError
from kishi.jsonl import read_rows
from kishi.languages import Language
from kishi.special_tokens import END_OF_TEXT

MAX_DIFFERENCE = 0.005  # of perplexity between fp32 and F16


def heldout_texts(data: Path, languages: Sequence[Language], most: int) -> dict[Language, list[str]]:
    """The first held-out documents of each language; about `most` characters, one document at least."""
    texts: dict[Language, list[str]] = {}
    for language in languages:
        path = data / "heldout" / f"{language}.jsonl.zst"
        taken: list[str] = []
        for row in read_rows(path) if path.is_file() else ():
            if taken and sum(map(len, taken)) >= most:
                break
            taken.append(row["text"][:most])
        if not any(taken):
            raise DataError("no held-out text", where=path, fix="run the data stage again")
        texts[language] = taken
    return texts


def check_token_ids(expected: Callable[[str], list[int]], got: Callable[[str], list[int]], texts: Sequence[str]) -> int:
    """Number of tokens compared. Raises ParityError at the first text that the two tokenizers cut differently."""
    count = 0
    for text in texts:
        ours, theirs = expected(text), got(text)
        if ours != theirs:
            place = next((i for i, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]), min(len(ours), len(theirs)))
            raise ParityError(
                f"token {place} is {ours[place : place + 4]} in Hugging Face, {theirs[place : place + 4]} in llama.cpp, text {text[:80]!r}",
                where="token ids",
                fix="the pre-tokenizer in tokenizer.json is not the one that the GGUF file names",
            )
        count += len(ours)
    return count


def cut(tokenize: Callable[[str], list[int]], texts: Mapping[Language, Sequence[str]], length: int) -> dict[Language, list[Window]]:
    """Windows over every document of each language."""
    start = tokenize(END_OF_TEXT)[0]
    return {language: [w for text in documents for w in windows(tokenize(text), start, length)] for language, documents in texts.items()}


def reference_perplexity(folder: Path, parts: Mapping[Language, Sequence[Window]]) -> dict[Language, float]:
    """Of the Hugging Face model in 32 bits."""
    import torch
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    result: dict[Language, float] = {}
    with torch.inference_mode():
        for language, language_windows in parts.items():
            total = 0.0
            for window in language_windows:
                logits = model(torch.tensor([window.tokens[:-1]])).logits[0, -window.scored :]
                target = torch.tensor(window.tokens[-window.scored :])
                total += float(torch.nn.functional.cross_entropy(logits.double(), target, reduction="sum"))
            result[language] = math.exp(total / sum(window.scored for window in language_windows))
    return result


def check_perplexity(reference: Mapping[Language, float], measured: Mapping[Language, float]) -> dict[Language, float]:
    """Relative differences. Raises ParityError when one is above the bound, or not a number."""
    differences = {language: abs(measured[language] / reference[language] - 1) for language in reference}
    for language, difference in differences.items():
        if not difference <= MAX_DIFFERENCE:
            raise ParityError(
                f"perplexity in {language} is {measured[language]:.4f} as F16, {reference[language]:.4f} in Hugging Face",
                where="model-F16.gguf",
                fix="the conversion is wrong for this model: compare the tensors",
            )
    return differences
