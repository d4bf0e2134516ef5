"""A tiny "existing" model: a byte-level tokenizer learnt from the English sample, cut as Qwen3 cuts, and random weights."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from kishi.jsonl import read_rows

QWEN2_PATTERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TOKENS, ROWS = 604, 640


def tokenizer() -> Tokenizer:
    """600 tokens and four added ones, one of them not special, as Qwen3 has it."""
    made = Tokenizer(models.BPE())
    made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(QWEN2_PATTERN), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    made.decoder = decoders.ByteLevel()
    english = (row["text"] for path in sorted(Path("data/sample/corpus").glob("*.jsonl")) for row in read_rows(path) if row["lang"] == "en")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made.train_from_iterator(english, trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False))
    made.add_special_tokens([AddedToken(token, special=True) for token in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")])
    made.add_tokens([AddedToken("<tool_call>", special=False)])
    return made


def write(folder: Path, tied: bool) -> Any:
    """The folder of the model; returns the model. It has more rows than tokens, as Qwen's do."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    made = tokenizer()
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=ROWS, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        head_dim=32, max_position_embeddings=256, tie_word_embeddings=tied, eos_token_id=made.token_to_id("<|endoftext|>"),
    )  # fmt: skip
    model = Qwen3ForCausalLM(config).eval()
    for name, weight in model.named_parameters():
        if "norm" in name:
            torch.nn.init.uniform_(weight, 0.5, 1.5)
        else:
            torch.nn.init.normal_(weight, std=0.05)
    model.save_pretrained(folder)
    return model
