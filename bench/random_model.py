"""GGUF files with random weights in the shape of a known model: speed depends on sizes, not on what was learnt.

python -m bench.random_model recipes/kishi-350m.yaml --tokenizer FOLDER --out model-Q4_K_M.gguf
"""

import argparse
import hashlib
import json
import sys
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Literal

import gguf
import numpy as np

from conversion.gguf import plain_template, vocabulary
from quantize import llama
from recipes.base import shape as shape_of
from recipes.loading import load_recipe
from recipes.schema_pretrain import Model

# config.json of the published models
QWEN3_06B = Model(layers=28, hidden_size=1024, ffn_hidden_size=3072, attention_heads=16, kv_heads=8, head_dim=128, rope_theta=1e6)
QWEN25_05B = Model(layers=24, hidden_size=896, ffn_hidden_size=4864, attention_heads=14, kv_heads=2, head_dim=64, rope_theta=1e6)
QWEN_ROWS = 151_936


@dataclass(frozen=True)
class Case:
    """One model: a shape, a tokenizer, llama.cpp's name for its pattern, and rows of the tied embedding.

    `qwen3` has norms on queries and keys, `qwen2` has biases on queries, keys and values instead.
    """

    shape: Model
    tokenizer: Path
    pre: str
    rows: int
    architecture: Literal["qwen2", "qwen3"] = "qwen3"

    def fingerprint(self) -> str:
        """Differs when anything that goes into the file differs."""
        about = [self.shape.model_dump(), self.pre, self.rows, self.architecture]
        key = json.dumps(about).encode() + (self.tokenizer / "tokenizer.json").read_bytes()
        return hashlib.sha256(key).hexdigest()[:16]


def write_random_model(path: Path, case: Case, context: int) -> None:
    """An F16 file with random weights and tied embeddings."""
    shape, generator = case.shape, np.random.default_rng(0)
    writer = gguf.GGUFWriter(path, case.architecture)
    writer.add_context_length(context)
    writer.add_embedding_length(shape.hidden_size)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.ffn_hidden_size)
    writer.add_head_count(shape.attention_heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_dim)
    writer.add_value_length(shape.head_dim)
    writer.add_layer_norm_rms_eps(shape.norm_eps)
    writer.add_rope_freq_base(shape.rope_theta)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    _add_tokenizer(writer, case)
    for name, size in tensors(case).items():
        values = np.ones(size, np.float32) if len(size) == 1 else generator.standard_normal(size, dtype=np.float32) * 0.02
        writer.add_tensor(name, values if len(size) == 1 else values.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tokenizer(writer: gguf.GGUFWriter, case: Case) -> None:
    content = json.loads((case.tokenizer / "tokenizer.json").read_bytes())
    tokens, types = vocabulary(content, case.rows)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(case.pre)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in content["model"]["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    writer.add_add_bos_token(False)
    template = case.tokenizer / "chat_template.jinja"
    if template.is_file():
        writer.add_chat_template(plain_template(template.read_text(encoding="utf-8")))


def tensors(case: Case) -> dict[str, tuple[int, ...]]:
    """Names and sizes of all tensors in llama.cpp's terms, (outputs, inputs)."""
    shape = case.shape
    width, heads, kv = shape.hidden_size, shape.attention_heads * shape.head_dim, shape.kv_heads * shape.head_dim
    layer: dict[str, tuple[int, ...]] = {
        "attn_norm.weight": (width,),
        "ffn_norm.weight": (width,),
        "attn_q.weight": (heads, width),
        "attn_k.weight": (kv, width),
        "attn_v.weight": (kv, width),
        "attn_output.weight": (width, heads),
        "ffn_gate.weight": (shape.ffn_hidden_size, width),
        "ffn_up.weight": (shape.ffn_hidden_size, width),
        "ffn_down.weight": (width, shape.ffn_hidden_size),
    }
    if case.architecture == "qwen3":
        layer |= {"attn_q_norm.weight": (shape.head_dim,), "attn_k_norm.weight": (shape.head_dim,)}
    else:
        layer |= {"attn_q.bias": (heads,), "attn_k.bias": (kv,), "attn_v.bias": (kv,)}
    sizes: dict[str, tuple[int, ...]] = {"token_embd.weight": (case.rows, width), "output_norm.weight": (width,)}
    return sizes | {f"blk.{number}.{name}": size for number in range(shape.layers) for name, size in layer.items()}


def count_weights(case: Case) -> int:
    """Number of weights, the tied embedding counted once."""
    return sum(prod(size) for size in tensors(case).values())


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.random_model", description="Q4_K_M with random weights")
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder with tokenizer.json and, to chat, chat_template.jinja")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--context", type=int, default=2048)
    options = parser.parse_args(arguments)
    rows = len(json.loads((options.tokenizer / "tokenizer.json").read_bytes())["model"]["vocab"])
    case = Case(shape_of(load_recipe(options.recipe)), options.tokenizer, "qwen35", -(-rows // 64) * 64)
    whole = options.out.with_suffix(".f16")
    write_random_model(whole, case, options.context)
    llama.quantize(whole, options.out, "Q4_K_M", None)
    whole.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
