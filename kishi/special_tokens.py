"""The special tokens, fixed from the first tokenizer on: a token's id is its place in `SPECIAL_TOKENS`.

Later stages (chat, tools, image, audio) use tokens that the pretrained model already has rows for, so no embedding is ever
resized. New tokens may only take the place of a reserved one. An expanded tokenizer of another model has the named ones too, at ids of
its own: what works with any tokenizer asks `ids_in`.
"""

import json
from pathlib import Path

from kishi.errors import ArtefactError

END_OF_TEXT = "<|endoftext|>"
PAD = "<|pad|>"
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"

NAMED = (
    END_OF_TEXT,
    PAD,
    TURN_START,
    TURN_END,
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
    "<think>",
    "</think>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|audio_start|>",
    "<|audio_end|>",
    "<|audio_pad|>",
    "<|lang_kk|>",
    "<|lang_ru|>",
    "<|lang_en|>",
)
COUNT = 64
SPECIAL_TOKENS: tuple[str, ...] = NAMED + tuple(f"<|reserved_{i}|>" for i in range(COUNT - len(NAMED)))
SPECIAL_IDS: dict[str, int] = {token: i for i, token in enumerate(SPECIAL_TOKENS)}


def ids_in(tokenizer: Path) -> dict[str, int]:
    """Ids of the named tokens in a folder with `tokenizer.json`. Raises ArtefactError when one is missing or is no special token there."""
    path = tokenizer / "tokenizer.json"
    added = {token["content"]: token["id"] for token in json.loads(path.read_bytes())["added_tokens"] if token["special"]}
    if missing := [token for token in NAMED if token not in added]:
        raise ArtefactError(f"special tokens are missing: {', '.join(missing[:3])}", where=path, fix="make tokenizer")
    return {token: added[token] for token in NAMED}
