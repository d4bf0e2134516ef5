"""The chain: for each stage its function, what it reads, and which parts of the recipe decide its result."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from recipes.job import Job
from recipes.schema import Recipe
from recipes.schema_quantize import METHODS


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
    repository: tuple[str, ...] = ()  # files or folders of the repository that it reads
    overlay: tuple[str, ...] = ()  # keys of the overlay that its result shows
    on_request: bool = False  # not made by `all`

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
    (
        "data",
        "eval.tasks",
        "eval.chat",
        "chat.folder",
        "chat.heldout",
        "chat.sources.path",
        "chat.sources.kind",
    ),  # what is evaluated leaves training
    files=("data", "eval", "compared"),
)
_INDEX = Stage("index", "data_prep.index:run", ("data", "tokenizer"), ())


def _pretraining(sections: tuple[str, ...], *imported: str) -> tuple[Stage, ...]:
    """Both phases and their export; `imported`: the stage whose model phase 1 begins with."""
    return (
        Stage("pretrain-phase1", "train.pretrain:run_phase1", ("index", "tokenizer", *imported), sections),
        Stage("pretrain-phase2", "train.pretrain:run_phase2", ("index", "tokenizer", "pretrain-phase1", *imported), sections),
        Stage("export-hf", "conversion.export_hf:run", ("pretrain-phase1", "pretrain-phase2", "tokenizer", "data", *imported), sections),
    )


_FROM_SCRATCH: tuple[Stage, ...] = (
    _DATA,
    Stage("tokenizer", "tokenizer.train:run", ("data",), ("tokenizer", "data")),
    _INDEX,
    *_pretraining(_PRETRAINING),
)
_FROM_BASE: tuple[Stage, ...] = (
    _DATA,
    Stage("tokenizer", "tokenizer.expand_base:run", ("data",), ("base", "tokenizer", "data"), files=("base",)),
    _INDEX,
    Stage("expand-model", "tokenizer.expand_base:run_model", ("data", "tokenizer"), ("base", "tokenizer"), files=("base",)),
    Stage("import-hf", "conversion.import_hf:run", ("expand-model", "data"), ()),
    *_pretraining(("base", *_PRETRAINING), "import-hf"),
)
_CHAT_DATA = Stage(
    "chat-data",
    "posttrain.data.prepare:run",
    ("data",),
    ("chat", "data.mix", "data.decontamination", "eval.tasks", "eval.chat"),
    files=("chat", "eval"),
)


def _chat_models(recipe: Recipe) -> tuple[Stage, ...]:
    """What makes one chat model from the one before; the last one is quantised."""
    stages = [
        Stage("sft", "posttrain.sft:run", ("export-hf", "chat-data"), ("sft", "eval.prompts")),
        Stage("dpo", "posttrain.dpo:run", ("sft", "chat-data"), ("dpo", "eval.prompts")),
    ]
    if recipe.grpo:
        stages.append(Stage("grpo", "posttrain.grpo:run", ("dpo",), ("grpo", "eval.prompts")))
    if recipe.tools:
        stages.append(Stage("tools", "posttrain.tools:run", (stages[-1].name, "chat-data"), ("tools", "data.mix")))
    return tuple(stages)


def _scorers(recipe: Recipe) -> tuple[Stage, ...]:
    """A model that scores answers, where the recipe has the section."""
    return (Stage("reward", "posttrain.reward:run", ("sft", "dpo", "chat-data"), ("reward", "dpo")),) if recipe.reward else ()


def _quantised(recipe: Recipe, last: str) -> tuple[Stage, ...]:
    """GGUF files, and the other methods that the recipe names; `last`: the stage whose model is quantised."""
    calibrated = ("quantize.calibration", "data.mix")
    return (
        Stage("gguf", "quantize.gguf:run", (last, "data"), ("gguf", *calibrated, "eval.prompts")),
        *(Stage(name, f"quantize.{name}:run", (last, "data"), (f"quantize.{name}", *calibrated)) for name in recipe.quantize.methods),
    )


_BOUNDS = ("quantize.heldout_tokens", "quantize.tool_questions")


def _measured(recipe: Recipe, models: tuple[str, ...]) -> tuple[Stage, ...]:
    """`models`: stages with a model, in the order of the chain.

    Where there are only GGUF files, `eval` has measured them already: the comparison of quantised forms is made on request.
    """
    named, place = recipe.quantize.methods, ("data", "tokenizer")
    forms = (*place, models[-1], "gguf", *named)
    return (
        Stage("eval", "eval.evaluate:run", (*place, "chat-data", *models, "gguf"), ("eval", "model", "pretrain"), files=("eval", "peers")),
        Stage("eval-quantized", "eval.quantized:run", forms, ("eval", "gguf", "pretrain", *_BOUNDS), files=("eval",), on_request=not named),
    )


def chain(recipe: Recipe) -> dict[str, Stage]:
    """The stages of this recipe by name, in their order; the report last."""
    chat = _chat_models(recipe)
    models = ("export-hf", *(stage.name for stage in chat))
    stages = (
        *(_FROM_BASE if recipe.base else _FROM_SCRATCH),
        _CHAT_DATA,
        *chat,
        *_scorers(recipe),
        *_quantised(recipe, models[-1]),
        *_measured(recipe, models),
    )
    report = Stage(
        "report",
        "report.build:run",
        tuple(stage.name for stage in stages),
        ("eval",),
        optional_inputs=True,
        folders=("fertility", "suite"),
        repository=("bench/records",),
        overlay=("device_watts", "grid_gco2_kwh", "gpu_hour_price"),
    )
    return {stage.name: stage for stage in (*stages, report)}


def of_all(recipe: Recipe) -> list[Stage]:
    """What `all` makes: the chain without what is made on request."""
    return [stage for stage in chain(recipe).values() if not stage.on_request]


# of every recipe, in the order of the chain
NAMES = (
    *("data", "tokenizer", "index", "expand-model", "import-hf", "pretrain-phase1", "pretrain-phase2", "export-hf"),
    *("chat-data", "sft", "dpo", "grpo", "tools", "reward", "gguf", *METHODS, "eval", "eval-quantized", "report"),
)
