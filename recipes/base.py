"""The model that a recipe with `base` goes on from: where its folder is, and the shape in its `config.json`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kishi.errors import ArtefactError, RecipeError
from recipes.schema import Recipe
from recipes.schema_pretrain import Base, Model
from recipes.section import Positive

FILES = ("config.json", "tokenizer.json")


@dataclass(frozen=True)
class Kind:
    """What tells one dense decoder with RMSNorm, SwiGLU and rotary positions from another."""

    qk_norm: bool = False
    qkv_bias: bool = False


# Megatron-Bridge converts more. These were tried both ways without Transformer Engine; Gemma's norms need it (docs/existing-models.md).
KINDS = {
    "LlamaForCausalLM": Kind(),
    "MistralForCausalLM": Kind(),
    "Qwen2ForCausalLM": Kind(qkv_bias=True),
    "Qwen3ForCausalLM": Kind(qk_norm=True),
}


class BaseShape(Model):
    """The shape of a base model: any width, a head tied to the embedding or not. `longest`: tokens that it reads at once."""

    hidden_size: Positive
    ffn_hidden_size: Positive
    head_dim: Positive
    kind: Kind
    tied: bool
    rows: Positive
    longest: Positive

    def parameters(self, vocab_size: int) -> int:
        """Number of weights with `vocab_size` rows, a tied embedding counted once."""
        kind, heads = self.kind, self.attention_heads + 2 * self.kv_heads
        attention = self.hidden_size * self.head_dim * 2 * (self.attention_heads + self.kv_heads)
        norms = 2 * self.hidden_size + (2 * self.head_dim if kind.qk_norm else 0) + (heads * self.head_dim if kind.qkv_bias else 0)
        layer = attention + 3 * self.hidden_size * self.ffn_hidden_size + norms
        return (1 if self.tied else 2) * vocab_size * self.hidden_size + self.layers * layer + self.hidden_size


def shape(recipe: Recipe) -> Model:
    """The recipe's own `model`, or that of its base. Raises ArtefactError, RecipeError as `base_shape`."""
    return recipe.model or base_shape(recipe)


def base_shape(recipe: Recipe) -> BaseShape:
    """From the `config.json` of the base, which a hub model is asked for first. Raises RecipeError for a sequence longer than it reads."""
    assert recipe.base is not None
    path = _hub_file(recipe.base, "config.json") if recipe.base.hub else _local(recipe.base, ("config.json",)) / "config.json"
    found, length = read_shape(path), recipe.pretrain.sequence_length
    if length > found.longest:
        raise RecipeError(
            f"the base reads {found.longest} tokens at once, not {length}", where="pretrain.sequence_length", fix=f"at most {found.longest}"
        )
    return found


def read_shape(path: Path) -> BaseShape:
    """Raises RecipeError for an architecture that cannot be trained here."""
    config = json.loads(path.read_bytes())
    name = (config.get("architectures") or ["no architecture"])[0]
    if name not in KINDS:
        raise RecipeError(f"{name} cannot be converted here", where=path, fix=f"a model of one of: {', '.join(KINDS)}")
    heads = config["num_attention_heads"]
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    return BaseShape(
        layers=config["num_hidden_layers"],
        hidden_size=config["hidden_size"],
        ffn_hidden_size=config["intermediate_size"],
        attention_heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head_dim=config.get("head_dim") or config["hidden_size"] // heads,
        rope_theta=rope.get("rope_theta") or config.get("rope_theta") or 10_000.0,
        norm_eps=config["rms_norm_eps"],
        kind=KINDS[name],
        tied=bool(config.get("tie_word_embeddings", False)),
        rows=config["vocab_size"],
        longest=_longest(config),
    )


def _longest(config: dict[str, Any]) -> int:
    """Tokens at once. Attention here looks at the whole sequence, so one longer than a sliding window would be read in another way."""
    windowed = config.get("sliding_window") is not None and config.get("use_sliding_window", True)
    return min(config["max_position_embeddings"], config["sliding_window"]) if windowed else int(config["max_position_embeddings"])


def folder(base: Base) -> Path:
    """The base's folder, downloaded once when it is on the hub. Raises ArtefactError when files are missing."""
    if base.path:
        return _local(base, FILES, weights=True)
    from huggingface_hub import snapshot_download

    try:
        found = Path(snapshot_download(str(base.hub), revision=base.revision, allow_patterns=["*.json", "model*.safetensors"]))
    except Exception as error:  # the client raises errors of its own, of requests and of the system
        raise _not_from_hub(base, error) from error
    return _complete(found, FILES, weights=True)


def _hub_file(base: Base, name: str) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(str(base.hub), name, revision=base.revision))
    except Exception as error:
        raise _not_from_hub(base, error) from error


def _not_from_hub(base: Base, error: Exception) -> ArtefactError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return ArtefactError(
        f"{base.hub} at {base.revision} could not be read from the hub: {reason}",
        where="base.hub",
        fix="see that the machine has a network and the model's terms are accepted, or give base.path, a folder",
    )


def _local(base: Base, files: tuple[str, ...], weights: bool = False) -> Path:
    path = Path(str(base.path)).expanduser()
    if not path.is_dir():
        raise ArtefactError("no such folder", where=path, fix="mend base.path in the recipe")
    return _complete(path, files, weights)


def _complete(path: Path, files: tuple[str, ...], weights: bool) -> Path:
    missing = [name for name in files if not (path / name).is_file()]
    if weights and not any(path.glob("model*.safetensors")):
        missing.append("model*.safetensors")
    if missing:
        raise ArtefactError(f"no {', no '.join(missing)} in the base model", where=path, fix="a Hugging Face folder with safetensors")
    return path
