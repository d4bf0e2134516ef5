"""Hugging Face `Qwen3ForCausalLM` folder -> 16-bit GGUF file that llama.cpp runs as it is."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from safetensors import safe_open

from kishi.errors import ArtefactError
from kishi.special_tokens import END_OF_TEXT, PAD, TURN_END, ids_in

ARCHITECTURE = gguf.MODEL_ARCH.QWEN3
_CONTRACTIONS = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)", r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])")  # the same, spelt out
_AFTER_CONTRACTIONS = {
    "qwen35": r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",  # Kishi's own
    "qwen2": r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",  # Qwen3's, when it is the base
}
PRE_TOKENIZERS = {start + rest: name for name, rest in _AFTER_CONTRACTIONS.items() for start in _CONTRACTIONS}
"""Pattern -> llama.cpp's name of it."""
_LAYER_PARTS = (
    "input_layernorm",
    "post_attention_layernorm",
    *(f"self_attn.{part}" for part in ("q_proj", "k_proj", "v_proj", "o_proj", "q_norm", "k_norm")),
    *(f"mlp.{part}" for part in ("gate_proj", "up_proj", "down_proj")),
)


def convert(source: Path, target: Path) -> None:
    """Write `target` whole or not at all. Raises ArtefactError when the folder is not such a model, or has tensors too many or too few."""
    config = _read_json(source / "config.json")
    if config.get("architectures") != ["Qwen3ForCausalLM"]:
        raise ArtefactError(f"architecture {config.get('architectures')}, not Qwen3ForCausalLM", where=source, fix="export the model again")
    _check_tensors(source, config)
    partial = target.with_name(target.name + ".partial")
    writer = gguf.GGUFWriter(partial, gguf.MODEL_ARCH_NAMES[ARCHITECTURE])
    try:
        _add_shape(writer, config, name=source.name)
        _add_tokenizer(writer, source, config["vocab_size"])
        _add_tensors(writer, source, config)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    except BaseException:
        writer.close()
        partial.unlink(missing_ok=True)
        raise
    writer.close()
    partial.replace(target)


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ArtefactError("file is missing", where=path, fix="run the stage that makes this model again")
    content: dict[str, Any] = json.loads(path.read_bytes())
    return content


def _add_shape(writer: gguf.GGUFWriter, config: dict[str, Any], name: str) -> None:
    heads = config["num_attention_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if rope.get("rope_type", "default") != "default":
        raise ArtefactError(f"rotary embedding of type {rope['rope_type']}", where="config.json", fix="only the plain one can be converted")
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(rope.get("rope_theta") or config["rope_theta"])
    writer.add_vocab_size(config["vocab_size"])


def vocabulary(tokenizer: dict[str, Any], size: int) -> tuple[list[str], list[gguf.TokenType]]:
    """Tokens and their types by id; rows of the embedding beyond the tokenizer are marked unused."""
    tokens = [f"[UNUSED{number}]" for number in range(size)]
    types = [gguf.TokenType.UNUSED] * size
    added = {token["id"]: token for token in tokenizer["added_tokens"]}
    by_id = {number: text for text, number in tokenizer["model"]["vocab"].items()} | {i: t["content"] for i, t in added.items()}
    if max(by_id) >= size:
        raise ArtefactError(
            f"token id {max(by_id)}, but the embedding has {size} rows",
            where="tokenizer.json",
            fix="model and tokenizer do not belong together",
        )
    for number, text in by_id.items():
        tokens[number] = text
        types[number] = gguf.TokenType.NORMAL
        if number in added:
            types[number] = gguf.TokenType.CONTROL if added[number]["special"] else gguf.TokenType.USER_DEFINED
    return tokens, types


def pre_tokenizer(tokenizer: dict[str, Any], where: Path) -> str:
    """llama.cpp's name of how text is cut. Equal ids on some texts do not show it: few merges cross the cuts.

    Raises ArtefactError unless llama.cpp cuts text in the same way.
    """
    steps = (tokenizer.get("pre_tokenizer") or {}).get("pretokenizers", [])
    pattern = steps[0].get("pattern", {}).get("Regex") if steps else None
    kinds = [step["type"] for step in steps]
    if kinds != ["Split", "ByteLevel"] or pattern not in PRE_TOKENIZERS or tokenizer.get("normalizer") or steps[1]["add_prefix_space"]:
        raise ArtefactError(
            f"normaliser and pre-tokenizer are not llama.cpp's {' or '.join(_AFTER_CONTRACTIONS)}",
            where=where,
            fix="train the tokenizer with Qwen3.5's pattern, or expand one of Qwen3",
        )
    return PRE_TOKENIZERS[pattern]


def _add_tokenizer(writer: gguf.GGUFWriter, source: Path, size: int) -> None:
    tokenizer = _read_json(source / "tokenizer.json")
    cut_as = pre_tokenizer(tokenizer, source / "tokenizer.json")
    tokens, types = vocabulary(tokenizer, size)
    special = ids_in(source)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(cut_as)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["model"]["merges"]])
    # a chat model ends with its turn; llama.cpp also ends at <|endoftext|>, which it knows by its text
    writer.add_eos_token_id(special[TURN_END])
    writer.add_eot_token_id(special[TURN_END])
    # without an id llama.cpp would take 11 of GPT-2; it is never put before a text
    writer.add_bos_token_id(special[END_OF_TEXT])
    writer.add_pad_token_id(special[PAD])
    writer.add_add_bos_token(False)
    template = source / "chat_template.jinja"
    if template.is_file():
        writer.add_chat_template(plain_template(template.read_text(encoding="utf-8")))


def plain_template(template: str) -> str:
    """The chat template without Hugging Face's `generation` tags, which other readers of Jinja do not know; it renders the same."""
    template = re.sub(r"\{%(-?)\s*generation\s*(-?)%\}", r"{%\1 if true \2%}", template)
    return re.sub(r"\{%(-?)\s*endgeneration\s*(-?)%\}", r"{%\1 endif \2%}", template)


def _expected(config: dict[str, Any]) -> set[str]:
    names = {f"model.layers.{layer}.{part}.weight" for layer in range(config["num_hidden_layers"]) for part in _LAYER_PARTS}
    head = set() if config.get("tie_word_embeddings") else {"lm_head.weight"}
    return names | head | {"model.embed_tokens.weight", "model.norm.weight"}


def _files(source: Path) -> list[Path]:
    return sorted(source.glob("model*.safetensors"))


def _check_tensors(source: Path, config: dict[str, Any]) -> None:
    found: set[str] = set()
    for path in _files(source):
        with safe_open(path, "pt") as tensors:
            found |= set(tensors.keys())
    if config.get("tie_word_embeddings"):
        found.discard("lm_head.weight")
    expected = _expected(config)
    for problem, names in (("missing", expected - found), ("not part of a Qwen3 model", found - expected)):
        if names:
            listed = ", ".join(sorted(names)[:5])
            raise ArtefactError(f"{len(names)} tensors {problem}: {listed}", where=source, fix="export the model again")


def _tensors(source: Path) -> Iterator[tuple[str, np.ndarray]]:
    for path in _files(source):
        with safe_open(path, "pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - safe_open is no mapping
                yield name, tensors.get_tensor(name).float().numpy()


def _add_tensors(writer: gguf.GGUFWriter, source: Path, config: dict[str, Any]) -> None:
    names = gguf.get_tensor_name_map(ARCHITECTURE, config["num_hidden_layers"])
    for name, values in _tensors(source):
        if name == "lm_head.weight" and config.get("tie_word_embeddings"):
            continue
        target = names.get_name(name, try_suffixes=(".weight",))
        if target is None:
            raise ArtefactError(f"GGUF has no name for tensor {name}", where=source, fix="use the pinned version of gguf")
        stored = values.astype(np.float16) if values.ndim > 1 else values  # norms stay in 32 bits, as llama.cpp wants them
        if not np.isfinite(stored).all():
            raise ArtefactError(f"{name} holds values that are not finite in 16 bits", where=source, fix="the training diverged")
        writer.add_tensor(target, stored)
