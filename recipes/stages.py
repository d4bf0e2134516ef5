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
    optional: bool = False  # in the chain only where the recipe has a section of its name
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
_DATA = Stage(
    "data",
    "data_prep.prepare:run",
    (),
    ("data", "eval.tasks", "chat.folder", "chat.heldout", "chat.sources.path", "chat.sources.kind"),  # what is evaluated leaves training
    files=("data", "eval", "compared"),
)
_INDEX = Stage("index", "data_prep.index:run", ("data", "tokenizer"), ())
_CHAT = (
    Stage(
        "chat-data",
        "posttrain.data.prepare:run",
        ("data",),
        ("chat", "data.mix", "data.decontamination", "eval.tasks"),
        files=("chat", "eval"),
    ),
    Stage("sft", "posttrain.sft:run", ("export-hf", "chat-data"), ("sft", "eval")),
    Stage("dpo", "posttrain.dpo:run", ("sft", "chat-data"), ("dpo", "eval")),
    Stage("grpo", "posttrain.grpo:run", ("dpo",), ("grpo", "eval"), optional=True),
    Stage("reward", "posttrain.reward:run", ("sft", "dpo", "chat-data"), ("reward", "dpo"), optional=True),
)
_TOOLS = Stage("tools", "posttrain.tools:run", ("dpo", "chat-data"), ("tools", "data.mix"))


def _after_export(final: str, *tools: Stage) -> tuple[Stage, ...]:
    """What comes after pretraining; `final`: the stage whose model is quantised."""
    models = ("export-hf", "sft", "dpo", *(stage.name for stage in tools), "gguf")
    return (
        *_CHAT,
        *tools,
        Stage("gguf", "quantize.gguf:run", (final, "data"), ("gguf", "eval")),
        Stage("eval", "eval.evaluate:run", ("data", "tokenizer", *models), ("eval", "model", "pretrain"), files=("eval",)),
    )


def _pretraining(sections: tuple[str, ...], *imported: str) -> tuple[Stage, ...]:
    """Both phases and their export; `imported`: the stage whose model phase 1 begins with."""
    return (
        Stage("pretrain-phase1", "train.pretrain:run_phase1", ("index", "tokenizer", *imported), sections),
        Stage("pretrain-phase2", "train.pretrain:run_phase2", ("index", "tokenizer", "pretrain-phase1", *imported), sections),
        Stage("export-hf", "conversion.export_hf:run", ("pretrain-phase1", "pretrain-phase2", "tokenizer", "data", *imported), sections),
    )


FROM_SCRATCH: tuple[Stage, ...] = (
    _DATA,
    Stage("tokenizer", "tokenizer.train:run", ("data",), ("tokenizer", "data")),
    _INDEX,
    *_pretraining(_PRETRAINING),
)
FROM_BASE: tuple[Stage, ...] = (
    _DATA,
    Stage("tokenizer", "tokenizer.expand_base:run", ("data",), ("base", "tokenizer", "data"), files=("base",)),
    _INDEX,
    Stage("expand-model", "tokenizer.expand_base:run_model", ("data", "tokenizer"), ("base", "tokenizer"), files=("base",)),
    Stage("import-hf", "conversion.import_hf:run", ("expand-model", "data"), ()),
    *_pretraining(("base", *_PRETRAINING), "import-hf"),
)


def chain(recipe: Recipe) -> dict[str, Stage]:
    """The stages of this recipe by name, in their order; the report last."""
    final = ("tools", _TOOLS) if recipe.tools else ("dpo",)
    stages = (*(FROM_BASE if recipe.base else FROM_SCRATCH), *_after_export(*final))
    stages = tuple(stage for stage in stages if not stage.optional or getattr(recipe, stage.name))
    report = Stage(
        "report", "report.build:run", tuple(stage.name for stage in stages), ("eval",), optional_inputs=True, folders=("fertility",)
    )
    return {stage.name: stage for stage in (*stages, report)}


NAMES = (*dict.fromkeys(stage.name for stage in (*FROM_SCRATCH, *FROM_BASE, *_after_export("tools", _TOOLS))), "report")
