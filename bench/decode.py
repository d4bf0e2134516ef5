"""Kazakh words a second on llama.cpp: what a tokenizer of its own and a smaller vocabulary are worth to someone who waits for an answer.

    python -m bench.decode --ours TOKENIZER --qwen TOKENIZER --text DATA/heldout/kk.jsonl.zst --out RECORD

Every model has random weights, the same quantisation and the same text: its tokens are fed one at a time, as in generation, and the clock
runs over all of them. "our shape, Qwen's vocabulary" tells the effect of the tokenizer from that of the shape. TOKENIZER is a folder with
`tokenizer.json`.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import llama_cpp
import numpy as np
from rich.console import Console
from tokenizers import Tokenizer

from bench.record import write_record
from conversion.gguf import vocabulary
from kishi.jsonl import read_rows
from quantize import llama
from recipes.schema import Model

KISHI_350M = Model(layers=24, hidden_size=1024, ffn_hidden_size=2816, attention_heads=16, kv_heads=8, head_dim=64)
QWEN3_06B = Model(layers=28, hidden_size=1024, ffn_hidden_size=3072, attention_heads=16, kv_heads=8, head_dim=128)
QWEN_ROWS = 151_936
QUANTISATION = "Q4_K_M"
THREADS = 2
CONTEXT = 1024
console = Console(highlight=False, width=140)


@dataclass(frozen=True)
class Case:
    """One model: a shape, a tokenizer and llama.cpp's name for its pattern."""

    shape: Model
    tokenizer: Path
    pre: str
    rows: int


def write_random_model(path: Path, case: Case) -> None:
    """A Qwen3-class F16 file with random weights and tied embeddings."""
    shape, generator = case.shape, np.random.default_rng(0)
    writer = gguf.GGUFWriter(path, "qwen3")
    writer.add_context_length(CONTEXT)
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
    for name, size in tensors(shape, case.rows).items():
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


def tensors(shape: Model, rows: int) -> dict[str, tuple[int, ...]]:
    """Names and sizes of all tensors in llama.cpp's terms, (outputs, inputs)."""
    width, heads, kv = shape.hidden_size, shape.attention_heads * shape.head_dim, shape.kv_heads * shape.head_dim
    sizes: dict[str, tuple[int, ...]] = {"token_embd.weight": (rows, width), "output_norm.weight": (width,)}
    layer = {
        "attn_norm": (width,),
        "ffn_norm": (width,),
        "attn_q_norm": (shape.head_dim,),
        "attn_k_norm": (shape.head_dim,),
        "attn_q": (heads, width),
        "attn_k": (kv, width),
        "attn_v": (kv, width),
        "attn_output": (width, heads),
        "ffn_gate": (shape.ffn_hidden_size, width),
        "ffn_up": (shape.ffn_hidden_size, width),
        "ffn_down": (width, shape.ffn_hidden_size),
    }
    return sizes | {f"blk.{number}.{name}.weight": size for number in range(shape.layers) for name, size in layer.items()}


def seconds_to_write(model: llama_cpp.Llama, ids: Sequence[int]) -> float:
    """Time of feeding the ids one at a time, after a first one that also allocates."""
    model.reset()
    model.eval(list(ids[:1]))
    begin = time.perf_counter()
    for number in ids[1:]:
        model.eval([number])
    return time.perf_counter() - begin


def measure(files: Mapping[str, Path], cases: Mapping[str, Case], text: str, rounds: int) -> dict[str, Any]:
    """Words and tokens a second of each model: medians over rounds that take turns, so that a busy moment hits all of them."""
    words, times, counts = len(text.split()), {name: [] for name in files}, {}  # type: ignore[var-annotated]
    for _ in range(rounds):
        for name, path in files.items():
            with llama.opened(path, CONTEXT, THREADS) as model:
                ids = llama.token_ids(model, text)
                expected = Tokenizer.from_file(str(cases[name].tokenizer / "tokenizer.json")).encode(text, add_special_tokens=False).ids
                assert ids == expected, f"{name}: llama.cpp cuts the text differently"
                counts[name] = len(ids)
                times[name].append(seconds_to_write(model, ids))
    return {
        name: {
            "parameters": cases[name].shape.parameters(cases[name].rows),
            "vocabulary_rows": cases[name].rows,
            "file_bytes": files[name].stat().st_size,
            "tokens": counts[name],
            "words": words,
            "tokens_per_second": round((counts[name] - 1) / statistics.median(taken), 2),
            "words_per_second": round(words / statistics.median(taken), 2),
            "seconds": [round(value, 2) for value in taken],
        }
        for name, taken in times.items()
    }


def kazakh_text(path: Path, words: int) -> str:
    """Whole sentences with at least so many words."""
    taken: list[str] = []
    for row in read_rows(path):
        taken.append(row["text"])
        if sum(len(text.split()) for text in taken) >= words:
            break
    return " ".join(taken)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Kazakh words a second on llama.cpp")
    for name in ("ours", "qwen", "text", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--words", type=int, default=80)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    own_rows = Tokenizer.from_file(str(arguments.ours / "tokenizer.json")).get_vocab_size()
    cases = {
        "Kishi-350M": Case(KISHI_350M, arguments.ours, "qwen35", own_rows),
        "Kishi-350M shape, Qwen3's vocabulary": Case(KISHI_350M, arguments.qwen, "qwen2", QWEN_ROWS),
        "Qwen3-0.6B shape, Qwen3's vocabulary": Case(QWEN3_06B, arguments.qwen, "qwen2", QWEN_ROWS),
    }
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for number, (name, case) in enumerate(cases.items()):
            whole, files[name] = Path(folder) / "whole.gguf", Path(folder) / f"{number}.gguf"
            write_random_model(whole, case)
            llama.quantize(whole, files[name], QUANTISATION, THREADS)
            whole.unlink()
        figures = measure(files, cases, kazakh_text(arguments.text, arguments.words), arguments.rounds)
    best = figures["Kishi-350M"]["words_per_second"]
    for name, row in figures.items():
        row["kishi_is_faster_by"] = round(best / row["words_per_second"], 2)
        console.print(
            f"{name:38} {row['tokens_per_second']:7.1f} tokens/s {row['words_per_second']:7.2f} words/s  x{row['kishi_is_faster_by']}"
        )
    settings = {"quantisation": QUANTISATION, "threads": THREADS, "llama_cpp_python": llama_cpp.__version__}
    write_record(arguments.out, "decode", figures, settings=settings)


if __name__ == "__main__":
    main()
