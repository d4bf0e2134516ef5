"""The languages that Kishi knows by name; recipes use their ISO 639-1 codes."""

from typing import Literal, get_args

Language = Literal["kk", "ru", "en"]

LANGUAGES: tuple[Language, ...] = get_args(Language)
NAMES: dict[Language, str] = {"kk": "Kazakh", "ru": "Russian", "en": "English"}
