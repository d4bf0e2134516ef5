"""Stages that are in the chain only where the recipe has their section, and the sections' own rules."""

from pathlib import Path

import pytest

from kishi.errors import RecipeError
from recipes.loading import load_recipe
from recipes.run import main
from recipes.stages import NAMES, chain

TINY = Path("recipes/kishi-tiny.yaml")
GRPO = "grpo={examples: 60, batch_size: 8, learning_rate: 1.0e-6}"


def test_optional_stages(capsys: pytest.CaptureFixture[str]) -> None:
    names = list(chain(load_recipe(TINY)))
    assert names.index("dpo") < names.index("reward") < names.index("gguf") and "grpo" not in names
    assert "reward" not in chain(load_recipe(TINY, ["reward=null"]))
    with_all = list(chain(load_recipe(TINY, [GRPO])))
    assert set(with_all) < set(NAMES) and with_all.index("dpo") < with_all.index("grpo")
    assert chain(load_recipe(TINY, [GRPO]))["gguf"].inputs[0] == "grpo"  # the last chat model is the one that is quantised
    assert main([str(TINY), "grpo", "--dry-run"]) == 2
    assert "grpo is no stage of this recipe, which lacks the section for it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("dpo.method=kto", "leave out sft_weight"),  # the demo gives DPO one
        (
            "dpo={method: kto, loss: ipo, epochs: 1, batch_size: 4, learning_rate: 1.0, max_length: 9}",
            "leave out loss",
        ),
        ("dpo={method: kto, epochs: 1, batch_size: 1, learning_rate: 1.0, max_length: 9}", "batch_size of 2 or more"),
        ("dpo.loss=best", "dpo.loss"),
        ("sft.lora={rank: 0}", "sft.lora.rank"),
        ("sft.lora={targets: []}", "sft.lora.targets"),
        ("grpo={examples: 60, batch_size: 9, learning_rate: 1.0e-6}", "must be a multiple of generations"),
        ("reward.path=x", "reward.path"),  # its pairs are dpo's
    ],
)
def test_faults_are_named(change: str, fault: str) -> None:
    with pytest.raises(RecipeError, match=fault):
        load_recipe(TINY, [change])
