"""Models of others: another architecture, another tokenizer, made from a configuration."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from kishi.jsonl import read_rows

SPECIAL = ["<unk>", "<s>", "</s>"]


def tokenizer(*, lossy: bool) -> PreTrainedTokenizerFast:
    """In the way of Llama-2: spaces as letters, a space put before the text, begin-of-text added by itself; `lossy`: small letters only."""
    made = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=False))
    made.normalizer = normalizers.Lowercase() if lossy else normalizers.Sequence([])
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    texts = [row["text"] for path in sorted(Path("data/sample/corpus").glob("*.jsonl")) for row in read_rows(path)]
    made.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=900, special_tokens=SPECIAL, show_progress=False))
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def write(folder: Path, *, lossy: bool = False) -> Path:
    """A random Llama with its tokenizer; returns the folder."""
    torch.manual_seed(3)
    own = tokenizer(lossy=lossy)
    config = LlamaConfig(
        vocab_size=len(own),
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=192,
        initializer_range=0.2,
        bos_token_id=1,
        eos_token_id=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    own.save_pretrained(folder)
    return folder
