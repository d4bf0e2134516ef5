"""Recipes with a base model: what may be said, and what is refused before anything runs."""

import json
from pathlib import Path
from typing import Any

import pytest

from kishi.errors import ArtefactError, RecipeError
from recipes import base
from recipes.loading import load_recipe
from recipes.run import main
from recipes.schema import Recipe
from recipes.stages import chain

EXPAND, TINY = Path("recipes/expand-qwen3.yaml"), Path("recipes/kishi-tiny.yaml")
LOCAL = ["base.hub=null", "base.revision=null"]
# the published shape of Qwen3-0.6B
CONFIG = {
    "architectures": ["Qwen3ForCausalLM"], "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28,
    "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 32768, "rms_norm_eps": 1e-6,
    "rope_theta": 1000000, "sliding_window": None, "tie_word_embeddings": True, "vocab_size": 151936,
}  # fmt: skip


def write(folder: Path, **changes: Any) -> Path:
    (folder / "config.json").write_text(json.dumps(CONFIG | changes))
    for name in ("tokenizer.json", "model.safetensors"):
        (folder / name).write_bytes(b"")
    return folder


def local(folder: Path, *more: str) -> Recipe:
    return load_recipe(EXPAND, [*LOCAL, f"base.path={folder}", *more])


@pytest.mark.parametrize(
    ("path", "changes", "expected"),
    [
        (EXPAND, ["base.license=null"], "base.license"),
        (EXPAND, ["base.revision=null"], "hub needs revision"),
        (EXPAND, ["base.path=somewhere"], "give either path or hub"),
        (EXPAND, ["base.revision=main"], "base.revision"),
        (EXPAND, ["base=null"], "give either model"),
        (TINY, ["base.path=somewhere", "base.license=MIT"], "give either model"),
        (TINY, ["tokenizer.vocab_size=65536"], "below 65500, where an id fits two bytes"),
    ],
)
def test_faults_in_a_recipe(path: Path, changes: list[str], expected: str) -> None:
    with pytest.raises(RecipeError, match=expected):
        load_recipe(path, changes)


def test_the_shape_is_that_of_the_config(tmp_path: Path) -> None:
    shape = base.base_shape(local(write(tmp_path)))
    assert shape.parameters(151936) == 596_049_920  # the number of weights in its published file
    assert (shape.rows, shape.longest, shape.rope_theta) == (151936, 32768, 1e6)
    assert base.folder(local(tmp_path).base or pytest.fail()) == tmp_path


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"architectures": ["Gemma3ForCausalLM"]}, "Gemma3ForCausalLM cannot be converted here"),
        ({"architectures": None}, "no architecture cannot be converted here"),
        ({"max_position_embeddings": 2048}, "reads 2048 tokens at once, not 4096"),
        ({"sliding_window": 1024, "use_sliding_window": True}, "reads 1024 tokens at once"),
    ],
)
def test_a_base_that_cannot_be_trained_on_is_refused(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(RecipeError, match=expected):
        base.shape(local(write(tmp_path, **changes)))


def test_a_window_that_is_switched_off_does_not_count(tmp_path: Path) -> None:
    assert base.base_shape(local(write(tmp_path, sliding_window=1024, use_sliding_window=False))).longest == 32768


def test_a_missing_base_is_one_clear_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sets = [part for change in [*LOCAL, f"base.path={tmp_path}/none"] for part in ("--set", change)]
    assert main([str(EXPAND), "all", "--dry-run", *sets]) == 1
    assert f"{tmp_path}/none: no such folder" in capsys.readouterr().err
    (write(tmp_path) / "model.safetensors").unlink()
    with pytest.raises(ArtefactError, match=r"no model\*\.safetensors in the base model"):
        base.folder(local(tmp_path).base or pytest.fail())


def test_stages_of_a_base_are_no_stages_of_other_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    names = list(chain(load_recipe(EXPAND)))
    assert names[:7] == ["data", "tokenizer", "index", "expand-model", "import-hf", "pretrain-phase1", "pretrain-phase2"]
    assert main([str(TINY), "import-hf"]) == 2
    assert "import-hf is no stage of this recipe" in capsys.readouterr().err
