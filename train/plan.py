"""What the stage tells the worker processes, as one JSON file."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from kishi.jsonl import write_json
from recipes.estimate import micro_batch_of
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
        """Sequences a forward pass, see `micro_batch_of`."""
        return micro_batch_of(self.recipe, self.hardware)

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
