"""How text is cut before merges are applied: the pattern that llama.cpp knows as `qwen35`, so that GGUF files need no patched runtime.

Letters take their combining marks with them (`\\p{M}`: decomposed Kazakh and Russian stay whole words) and digits stand alone. The
contractions are spelt out rather than matched case-insensitively, which would also take the long s (U+017F), as llama.cpp does not.
"""

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

LLAMA_CPP_NAME = "qwen35"
PATTERN = (
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
    r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+"
    r"|\p{N}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def untrained() -> Tokenizer:
    """Byte-level BPE without merges and without a normaliser: what goes in comes out."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
