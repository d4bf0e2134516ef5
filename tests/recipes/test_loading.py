"""Faults in recipes: all at once, with place and the nearest key."""

from pathlib import Path

import pytest

from kishi.errors import RecipeError
from recipes.loading import load_hardware, load_recipe
from recipes.run import main
from recipes.stages import chain

TINY = Path("recipes/kishi-tiny.yaml")


@pytest.mark.parametrize("path", sorted([*Path("recipes").glob("*.yaml"), *Path("bench/recipes").glob("*.yaml")]), ids=lambda p: p.stem)
def test_every_recipe_loads(path: Path) -> None:
    assert load_recipe(path).name == path.stem


@pytest.mark.parametrize("path", sorted(Path("nemo_configs").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_overlay_loads(path: Path) -> None:
    assert load_hardware(path.stem).processes >= 1


def test_what_is_no_file_is_said_to_be_none(tmp_path: Path) -> None:
    for path, what in ((tmp_path, "cannot be read: Is a directory"), (tmp_path / "none.yaml", "no such file")):
        with pytest.raises(RecipeError, match=what):
            load_recipe(path)


def test_set_changes_the_recipe_or_with_hw_the_overlay(capsys: pytest.CaptureFixture[str]) -> None:
    changes = ["--set", "pretrain.optimizer=muon", "--set", "hw.gpu_hour_price=2.5", "--set", "hw.engine.model.cuda_graph_impl=local"]
    assert main(["recipes/kishi-350m.yaml", "pretrain", "--hw", "8xh100", "--dry-run", *changes]) == 0
    assert "at 2.5 an hour of each" in capsys.readouterr().out
    assert main(["recipes/kishi-350m.yaml", "pretrain", "--dry-run", "--set", "hw.processs=2"]) == 2
    assert "did you mean processes?" in capsys.readouterr().err


def test_asynchronous_saving_is_for_gpus(tmp_path: Path) -> None:
    assert load_hardware("1xh100").saves_asynchronously and not load_hardware("cpu").saves_asynchronously
    path = tmp_path / "bad.yaml"
    path.write_text(Path("nemo_configs/cpu.yaml").read_text() + "async_save: true\n")
    with pytest.raises(RecipeError, match="only on a GPU"):
        load_hardware(str(path))


def test_all_faults_are_reported_at_once_with_line_and_nearest_key(tmp_path: Path) -> None:
    text = TINY.read_text()
    text = text.replace("hidden_size: 256\n", "hiden_size: 256\n", 1).replace("vocab_size: 2048", "vocab_size: 2000")
    text = text.replace("kk: 0.5, ru: 0.25", "kk: 0.7, ru: 0.25")
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, ["sft.epochs=-1"])
    message = str(caught.value)
    line = text[: text.index("hiden_size")].count("\n") + 1
    assert f"bad.yaml:{line}  model.hiden_size  unknown key, did you mean hidden_size?" in message
    assert "model.hidden_size  missing" in message
    assert "tokenizer.vocab_size" in message and "multiple of 128" in message
    assert "add up to 1.2" in message
    assert "--set sft.epochs=-1  sft.epochs" in message


@pytest.mark.parametrize(
    ("override", "expected"),
    [("data.sources.7.path=x", "there is no"), ("nokey", "expected key=value"), ("modle.layers=3", "did you mean model?")],
)
def test_bad_overrides(override: str, expected: str) -> None:
    with pytest.raises(RecipeError, match=expected.replace("?", r"\?")):
        load_recipe(TINY, [override])


def test_overrides_reach_lists_and_defaults() -> None:
    recipe = load_recipe(TINY, ["pretrain.phases.1.steps=7", "data.light.min_characters=5", "data.sources.0.path=elsewhere"])
    assert (recipe.pretrain.phases[1].steps, recipe.data.light.min_characters, recipe.data.sources[0].path) == (7, 5, "elsewhere")


@pytest.mark.parametrize(
    ("text", "expected"), [("a: [", "not valid YAML"), ("- 1", "mapping of sections"), ("name: a\nname: b", "given twice")]
)
def test_broken_files(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=expected):
        load_recipe(path)


def test_the_command_line_ends_with_2_and_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(TINY), "data", "--set", "seed=x"]) == 2
    assert "--set seed=x  seed" in capsys.readouterr().err
    assert main([str(TINY), "data", "--phase", "1"]) == 2
    assert main(["recipes/none.yaml", "data"]) == 2
    assert main([str(TINY), "data", "--hw", "toaster"]) == 2


def test_methods_of_quantising_are_stages_when_they_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    plain, some = chain(load_recipe(TINY)), chain(load_recipe(TINY, ["quantize.qat.steps=5", "quantize.awq={}"]))
    assert "awq" not in plain and plain["eval-quantized"].on_request
    assert [name for name in some if name not in plain] == ["awq", "qat"] and not some["eval-quantized"].on_request
    assert {"awq", "qat", "gguf"} < set(some["eval-quantized"].inputs)
    assert main([str(TINY), "awq"]) == 2
    assert "awq is no stage of this recipe" in capsys.readouterr().err
    assert main([str(TINY), "all", "--dry-run"]) == 0
    assert "eval-quantized" not in capsys.readouterr().out


def test_calibration_is_in_languages_of_the_mix() -> None:
    assert load_recipe(TINY).calibration_mix == {"kk": 0.5, "ru": 0.25, "en": 0.25}
    assert load_recipe(TINY, ["quantize.calibration.mix={en: 3}"]).calibration_mix == {"en": 1.0}
    with pytest.raises(RecipeError, match=r"quantize\.calibration\.mix: ru not in data\.mix"):
        load_recipe(TINY, ["data.mix={kk: 0.5, en: 0.5}", "tokenizer.mix={kk: 1}", "quantize.calibration.mix={ru: 1}"])
