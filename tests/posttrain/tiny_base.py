"""An untrained base model whose tokenizer reads bytes, with the project's special tokens and chat template."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from kishi.special_tokens import END_OF_TEXT, PAD, SPECIAL_TOKENS


def byte_tokenizer() -> Any:
    """A token a byte."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(BPE(vocab={token: place for place, token in enumerate([*SPECIAL_TOKENS, *letters])}, merges=[]))
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END_OF_TEXT, pad_token=PAD)
    wrapped.chat_template = Path("tokenizer/chat_template.jinja").read_text()
    return wrapped


def make_base(folder: Path, layers: int, context: int) -> None:
    """Narrow layers of Qwen3 with that tokenizer, as the export stage leaves a model; `context`: tokens that it takes."""
    byte_tokenizer().save_pretrained(folder)
    (folder / "special_tokens_map.json").write_text("{}")
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=320, hidden_size=32, intermediate_size=64, num_hidden_layers=layers, num_attention_heads=2, num_key_value_heads=1,
        head_dim=16, max_position_embeddings=context, tie_word_embeddings=True, eos_token_id=0, pad_token_id=1,
    )  # fmt: skip
    Qwen3ForCausalLM(config).save_pretrained(folder)
