"""Texts on which tokenizers go wrong: every tokenizer of a Kishi model, in every runtime, must agree on them and give them back exactly."""

import random
import sys
import unicodedata

_WRITTEN = (
    "Ә ә Ғ ғ Қ қ Ң ң Ө ө Ұ ұ Ү ү Һ һ І і: Қазақстанның әнұраны, гүлдің өңі, ұшқыш, жиһаз, ілім.",
    "Ёжик, съёмка, объявление: «кавычки» — тире, № 5, 25 °C.",
    "It's we'll they'RE I'd CAN'T O'Neil don’t ſ 'ſ 'S 'Ll",
    "👨‍👩‍👧‍👦 👩🏽‍🚀 🇰🇿 ❤️‍🔥 1️⃣",
    'def f(x: int) -> str:\n\treturn f"{x!r}"  # қазақша\r\n\r\n    if x >= 10_000: pass\n\n\n',
    "0 12 345 6789 3.14159 ٣٤٥ ½ ² Ⅷ 10²³",
    "  leading, trailing   \t \n \u00a0 \u3000\u2028\u2029\u200b\u200d\ufeff ",
    "\x00\x01\x07\x1b[0m\x7f\x85",
    "日本語 हिन्दी ภาษาไทย العربية עברית ქართული",
    "<|im_start|>user\nсәлем<|im_end|>\n<tool_call>{}</tool_call><|endoftext|><|reserved_3|><|im_star",
    "",
    " ",
    "\n",
)


def _random_text(generator: random.Random, length: int) -> str:
    """Assigned characters of all planes; unassigned ones are left out, as runtimes know different versions of Unicode."""
    characters: list[str] = []
    while len(characters) < length:
        character = chr(generator.choice((generator.randrange(0x3000), generator.randrange(sys.maxunicode + 1))))
        if unicodedata.category(character) not in ("Cn", "Cs", "Co"):
            characters.append(character)
    return "".join(characters)


def hard_texts(random_texts: int = 20, seed: int = 7) -> list[str]:
    """Written cases, their decomposed (NFD) forms, and random Unicode; always the same for the same arguments."""
    generator = random.Random(seed)
    decomposed = [unicodedata.normalize("NFD", text) for text in (*_WRITTEN[:2], "Йод, ёлка, naïve café, Ǻ")]
    return [*_WRITTEN, *decomposed, *(_random_text(generator, 60) for _ in range(random_texts))]
