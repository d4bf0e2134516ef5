"""How text is cut before any merge: the pattern of Qwen3.5, which llama.cpp knows as `pre = qwen35`.

Words keep their combining marks, digits stand alone. llama.cpp compiles its patterns in, so another one could not be run there.
"""

PATTERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
PRE_TOKENIZER = "qwen35"
