"""Language identification with heliport (HeLI-OTS, character n-grams and words; the model is in the wheel)."""

from functools import cache
from typing import Any

# heliport answers in ISO 639-3
_CODES = {"kaz": "kk", "rus": "ru", "eng": "en"}
OTHER = "other"


@cache
def _identifier() -> Any:
    import heliport

    return heliport.Identifier()


def identify(text: str) -> tuple[str, float]:
    """(kk, ru, en or "other"; margin to the second best guess, 0 and up: larger is surer)."""
    best = _identifier().identify_topk_with_score(text.replace("\n", " "), 2)
    code, score = best[0]
    margin = best[1][1] - score if len(best) > 1 else score
    return _CODES.get(code, OTHER), max(0.0, float(margin))


def drop_foreign_paragraphs(text: str, language: str, min_characters: int = 40) -> str:
    """Cut paragraphs that are surely in another language; short ones are left, since a short line cannot be told."""
    kept = []
    for paragraph in text.split("\n\n"):
        found, margin = identify(paragraph) if len(paragraph) >= min_characters else (language, 0.0)
        if found == language or margin < 0.2:
            kept.append(paragraph)
    return "\n\n".join(kept)
