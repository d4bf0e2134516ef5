"""The chain: for each stage its function, what it reads, and which parts of the recipe decide its result."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from recipes.job import Job
from recipes.schema import Recipe


@dataclass(frozen=True)
class Stage:
    """`function` is "module:name", imported only when the stage runs, so that `status` needs no torch."""

    name: str
    function: str
    inputs: tuple[str, ...]
    sections: tuple[str, ...]
    optional_inputs: bool = False
    files: tuple[str, ...] = ()  # parts of the recipe whose local files it reads (recipes/local_files.py)
    folders: tuple[str, ...] = ()  # plain folders of the run that it reads when they are there

    def load(self) -> Callable[[Job], dict[str, Any]]:
        """Import the stage's function."""
        module, _, name = self.function.partition(":")
        function: Callable[[Job], dict[str, Any]] = getattr(import_module(module), name)
        return function

    def section(self, recipe: Recipe) -> dict[str, Any]:
        """The part of the recipe that a change of makes this stage stale."""
        return {name: recipe.part(name) for name in ("name", "seed", *self.sections)}


_PRETRAINING = ("model", "pretrain", "tokenizer")

STAGES: tuple[Stage, ...] = (
    Stage(
        "data", "data_prep.prepare:run", (), ("data", "eval.tasks", "sft.path", "dpo.path"), files=("data", "eval", "sft", "dpo")
    ),  # what is evaluated leaves training
    Stage("tokenizer", "tokenizer.train:run", ("data",), ("tokenizer", "data")),
    Stage("index", "data_prep.index:run", ("data", "tokenizer"), ()),
    Stage("pretrain-phase1", "train.pretrain:run_phase1", ("index", "tokenizer"), _PRETRAINING),
    Stage("pretrain-phase2", "train.pretrain:run_phase2", ("index", "tokenizer", "pretrain-phase1"), _PRETRAINING),
    Stage("export-hf", "conversion.export_hf:run", ("pretrain-phase1", "pretrain-phase2", "tokenizer", "data"), _PRETRAINING),
    Stage("sft", "posttrain.sft:run", ("export-hf",), ("sft", "eval"), files=("sft",)),
    Stage("dpo", "posttrain.dpo:run", ("sft",), ("dpo", "eval"), files=("dpo",)),
    Stage("gguf", "quantize.gguf:run", ("dpo", "data"), ("gguf", "eval")),
    Stage(
        "eval",
        "eval.evaluate:run",
        ("data", "tokenizer", "export-hf", "sft", "dpo", "gguf"),
        ("eval", "model", "pretrain"),
        files=("eval",),
    ),
)
REPORT = Stage("report", "report.build:run", tuple(stage.name for stage in STAGES), ("eval",), optional_inputs=True, folders=("fertility",))
ALL: dict[str, Stage] = {stage.name: stage for stage in (*STAGES, REPORT)}
