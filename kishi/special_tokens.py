"""The special tokens, fixed from the first tokenizer on: a token's id is its place in `SPECIAL_TOKENS`.

Later stages (chat, tools, image, audio) use tokens that the pretrained model already has rows for, so no embedding is ever
resized. New tokens may only take the place of a reserved one.
"""

END_OF_TEXT = "<|endoftext|>"
PAD = "<|pad|>"
TURN_START = "<|im_start|>"
TURN_END = "<|im_end|>"

_NAMED = (
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
SPECIAL_TOKENS: tuple[str, ...] = _NAMED + tuple(f"<|reserved_{i}|>" for i in range(COUNT - len(_NAMED)))
SPECIAL_IDS: dict[str, int] = {token: i for i, token in enumerate(SPECIAL_TOKENS)}
