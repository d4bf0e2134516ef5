"""Which tensors a folder must hold, for every kind of repository."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import Qwen3Config, Qwen3ForCausalLM, Qwen3ForSequenceClassification

from publish.tensors import elements, expected, lost, stored

MATRIX = "model.layers.0.mlp.up_proj"
CONFIG = Qwen3Config(
    vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=8,
    num_labels=1,
)  # fmt: skip


@pytest.mark.parametrize(("tied", "reward"), [(True, False), (False, False), (False, True)])
def test_a_saved_model_is_whole(tmp_path: Path, tied: bool, reward: bool) -> None:
    config = Qwen3Config.from_dict({**CONFIG.to_dict(), "tie_word_embeddings": tied})
    model = (Qwen3ForSequenceClassification if reward else Qwen3ForCausalLM)(config)
    model.save_pretrained(tmp_path)
    found = stored(tmp_path)
    assert lost(found, expected(tmp_path, reward)) == [] and elements(found.values()) == model.num_parameters()
    assert ("lm_head.weight" in found) == (not tied and not reward) and ("score.weight" in found) == reward


def test_lost_left_over_and_reshaped_tensors_are_named() -> None:
    wanted = {"a.weight": (2, 3), "b.weight": (4,)}
    assert lost({"a.weight": (3, 2), "c.weight": (1,)}, wanted) == [
        "a.weight has shape [3, 2], not [2, 3]",
        "b.weight is missing",
        "c.weight is one too many",
    ]


def test_packed_weights_and_what_stands_beside_them_are_known() -> None:
    wanted = {f"{MATRIX}.weight": (32, 16), "model.norm.weight": (16,)}
    norm = {"model.norm.weight": (16,)}
    for names in (
        ("weight_packed", "weight_scale", "weight_shape"),
        ("qweight", "qzeros", "scales", "g_idx"),
        ("weight_packed", "weight_zero_point"),
    ):
        assert lost({f"{MATRIX}.{name}": (1,) for name in names} | norm, wanted) == []
    assert lost({f"{MATRIX}.weight": (32, 16), f"{MATRIX}.weight_scale": (32, 1)} | norm, wanted) == []  # FP8 keeps the shape
    assert lost({f"{MATRIX}.weight_scale": (32, 1)} | norm, wanted) == [f"{MATRIX}.weight is missing"]


def test_a_file_that_was_cut_off_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.zeros(100)}, path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ValueError, match="cut off"):
        stored(tmp_path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="cut off"):
        stored(tmp_path)
