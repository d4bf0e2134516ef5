"""What the stage tells the worker processes, as one JSON file."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from kishi.errors import RecipeError
from kishi.jsonl import write_json
from recipes.hardware import Hardware
from recipes.schema import Recipe

SAMPLES_SEEN = ".samples_seen.json"  # how many samples of each index the phase reads


@dataclass(frozen=True)
class Plan:
    """One phase of pretraining, from `start_step` (steps done) on.

    `load_from` is a folder of checkpoints: this phase's own, or the phase before's, or none. `base`: the import stage's folder, whose
    `config.json` gives the model and whose weights phase 1 begins with; none when training from scratch.
    """

    recipe: Recipe
    hardware: Hardware
    phase: int
    folder: Path
    index: Path
    load_from: Path | None
    start_step: int
    blend: dict[str, Any]
    base: Path | None = None

    @property
    def checkpoints(self) -> Path:
        """Where this phase saves."""
        return self.folder / "checkpoints"

    @property
    def first_step(self) -> int:
        """Steps done before this phase."""
        return sum(phase.steps for phase in self.recipe.pretrain.phases[: self.phase - 1])

    @property
    def last_step(self) -> int:
        """Steps done when this phase ends."""
        return self.first_step + self.recipe.pretrain.phases[self.phase - 1].steps

    @property
    def micro_batch_size(self) -> int:
        """The overlay's, or the next smaller one that shares out the recipe's global batch evenly: the sum over a step stays the same.

        Raises RecipeError when the processes cannot share it at all.
        """
        hardware, batch = self.hardware, self.recipe.pretrain.global_batch_size
        model_parallel = hardware.tensor_parallel * hardware.pipeline_parallel * hardware.context_parallel
        replicas, rest = divmod(hardware.processes, model_parallel)
        if rest or batch % replicas:
            raise RecipeError(
                f"{hardware.processes} processes, {model_parallel} to a model, cannot share {batch} sequences a step evenly",
                where="pretrain.global_batch_size",
                fix="another overlay (--hw), or a global batch that is a multiple of the copies of the model",
            )
        share = batch // replicas
        return next(size for size in range(min(hardware.micro_batch_size, share), 0, -1) if share % size == 0)

    def save(self, path: Path) -> None:
        """Write the plan for `load`."""
        values = {
            "recipe": self.recipe.model_dump(mode="json"),
            "hardware": self.hardware.model_dump(mode="json"),
            "phase": self.phase,
            "folder": str(self.folder),
            "index": str(self.index),
            "load_from": str(self.load_from) if self.load_from else None,
            "start_step": self.start_step,
            "blend": self.blend,
            "base": str(self.base) if self.base else None,
        }
        write_json(path, values)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        values = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            recipe=Recipe.model_validate(values["recipe"]),
            hardware=Hardware.model_validate(values["hardware"]),
            phase=values["phase"],
            folder=Path(values["folder"]),
            index=Path(values["index"]),
            load_from=Path(values["load_from"]) if values["load_from"] else None,
            start_step=values["start_step"],
            blend=values["blend"],
            base=Path(values["base"]) if values["base"] else None,
        )
