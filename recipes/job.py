"""What the runner hands to a stage: `run(job) -> facts` is the whole interface of every stage."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from recipes.hardware import Hardware
from recipes.schema import Recipe

CHAT_MODELS = ("sft", "dpo", "grpo", "tools")  # stages that make one, in the order of the chain


@dataclass(frozen=True)
class Job:
    """One run of one stage.

    `folder` is where the stage writes; after a kill it still holds what was written before (finished shards, checkpoints).
    `inputs` are the finished, verified folders of earlier stages by stage name. The runner writes the manifest from the returned facts
    and puts the folder in its final place; files whose names begin with a dot are the stage's own notes.
    """

    recipe: Recipe
    hardware: Hardware
    folder: Path
    inputs: Mapping[str, Path]

    @property
    def chat_model(self) -> Path:
        """The folder of the last chat model among the inputs; without one, the pretrained model's."""
        found = next((name for name in reversed(CHAT_MODELS) if name in self.inputs), None)
        return self.inputs[found] / "model" if found else self.inputs["export-hf"] / f"phase{len(self.recipe.pretrain.phases)}"
