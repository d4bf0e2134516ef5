"""What a tokenizer costs (tokens per word, bytes per token, parity between languages), and whether it is exact."""

from collections.abc import Mapping, Sequence
from typing import Any

from tokenizers import Tokenizer

from kishi.errors import ParityError

# Strings that tokenizers are known to break: each must come back byte for byte.
HARD_STRINGS: tuple[str, ...] = (
    "Ә ә Ғ ғ Қ қ Ң ң Ө ө Ұ ұ Ү ү Һ һ І і — тоғыз әріп",
    "и\u0306 е\u0308 (NFD) й ё (NFC) a\u0301\u0302\u0303",
    "👩‍👩‍👧‍👦 🇰🇿 👍🏽 ☕️ \U0001f9ff",
    "def f(x):\n\treturn {'a': x[0] ** 2}  # 2024-03-21\r\n\r\n",
    "1234567890 ١٢٣ ½ 3,14 1 000 000 +7(701)",
    "   leading, trailing   \n\n\n\t\t ",
    "\x00\x01\x7f\u200b\u200d\ufeff\u2028\u2029\u00a0",
    "don't I'LL we've ‘quotes’ «тырнақша» …—–",
    "漢字かな한국어ไทยעבריתعربي\U00020000",
    "",
)


def check_round_trip(tokenizer: Tokenizer, texts: Sequence[str] = HARD_STRINGS) -> None:
    """Raise ParityError at the first text that does not come back exactly."""
    for text in texts:
        back = tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids, skip_special_tokens=False)
        if back != text:
            raise ParityError(f"round trip is not exact: {text!r} came back as {back!r}", where="tokenizer")


def measure(tokenizer: Tokenizer, texts: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Per language, over all its texts: tokens per white-space word, UTF-8 bytes per token, tokens against English."""
    rows: dict[str, Any] = {}
    for language, documents in texts.items():
        tokens = sum(len(encoding.ids) for encoding in tokenizer.encode_batch(list(documents), add_special_tokens=False))
        words, size = sum(len(text.split()) for text in documents), sum(len(text.encode("utf-8")) for text in documents)
        if tokens and words:
            rows[language] = {"tokens": tokens, "tokens_per_word": round(tokens / words, 4), "bytes_per_token": round(size / tokens, 4)}
    if "en" in rows:
        for row in rows.values():
            row["tokens_against_en"] = round(row["tokens"] / rows["en"]["tokens"], 4)
    return rows
