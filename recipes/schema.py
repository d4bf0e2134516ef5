"""What a recipe may say. Unknown keys are errors; every number that decides what the model *is* has its place here.

One file for each stretch of the way (`schema_*.py`); this one puts them together. Reading a file into these models, and the messages for
faults, are in `loading.py`. How a run is executed (GPUs, precision, kernels) is in `hardware.py`.
"""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from kishi.languages import Language
from kishi.special_tokens import COUNT as SPECIAL_COUNT
from recipes.schema_chat import Chat
from recipes.schema_data import Data
from recipes.schema_eval import Evaluation
from recipes.schema_posttrain import Dpo, Grpo, Reward, Sft, Tools
from recipes.schema_pretrain import Base, Model, Pretrain, Tokenizer
from recipes.schema_quantize import Gguf, Quantize
from recipes.section import Section, Tier


class Recipe(Section):
    """One whole run."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1234
    data: Data
    base: Base | None = None
    tokenizer: Tokenizer
    model: Model | None = Field(None, description="left out with `base`, whose own shape it has")
    pretrain: Pretrain
    chat: Chat
    sft: Sft
    dpo: Dpo
    grpo: Grpo | None = None
    reward: Reward | None = None
    tools: Tools | None = Field(None, description="left out: no function calling, the DPO model is the final one")
    gguf: Gguf = Gguf()
    quantize: Quantize = Quantize()
    eval: Evaluation

    def part(self, dotted: str) -> Any:
        """What stands at a place, as in a JSON file: `eval.tasks` is the `tasks` of `eval`; of a list, what all its items have there.

        Raises KeyError.

        Left out is what only watches pretraining: a part decides what a stage makes.
        """
        value: Any = self.model_dump(mode="json", exclude={"pretrain": Pretrain.WATCHING})
        for key in dotted.split("."):
            value = [item[key] for item in value] if isinstance(value, list) else value[key]
        return value

    @property
    def languages(self) -> tuple[Language, ...]:
        """The languages of the mix, in its order."""
        return tuple(self.data.mix)

    @property
    def calibration_mix(self) -> dict[Language, float]:
        """Shares of the calibration text, adding up to 1."""
        mix = self.quantize.calibration.mix or self.data.mix
        return {language: share / sum(mix.values()) for language, share in mix.items()}

    @model_validator(mode="after")
    def _from_scratch_or_base(self) -> Self:
        if (self.base is None) == (self.model is None):
            raise ValueError("give either model (its shape, trained from scratch) or base (a model to go on from)")
        if self.base is None and self.tokenizer.vocab_size >= 65_500:
            raise ValueError(f"tokenizer.vocab_size: below 65500, where an id fits two bytes (got {self.tokenizer.vocab_size})")
        return self

    @model_validator(mode="after")
    def _chat_data_is_there(self) -> Self:
        kinds = {source.kind for source in self.chat.sources}
        if not kinds & {"sft", "parallel", "titles"}:
            raise ValueError("chat.sources: none of kind sft, parallel or titles, which sft is trained on")
        if "preference" not in kinds and not self.chat.make.pairs:
            raise ValueError("chat.sources: none of kind preference, which dpo is trained on (and chat.make.pairs is 0)")
        corpora = {source.name for source in self.data.sources}
        for source in self.chat.sources:
            if source.corpus and source.corpus not in corpora:
                raise ValueError(f"chat.sources: {source.name}: no source {source.corpus} in data.sources ({', '.join(sorted(corpora))})")
        return self

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        tiers: set[Tier | None] = {source.tier for source in self.data.sources}
        tiers |= {"dirty"} if self.data.corrupt else set()
        tiers |= {"clean"} if any(source.promote for source in self.data.sources) else set()
        for number, phase in enumerate(self.pretrain.phases, 1):
            if phase.tier not in tiers and None not in tiers:
                raise ValueError(f"pretrain.phases.{number - 1}.tier: no source of tier {phase.tier} (and no data.corrupt to make one)")
        for section, prompts in (("pretrain.sample_prompts", self.pretrain.sample_prompts), ("eval.prompts", self.eval.prompts)):
            if missing := [language for language in self.languages if language not in prompts]:
                raise ValueError(f"{section}: no prompt for {', '.join(missing)}")
        for section, mix in (("tokenizer.mix", self.tokenizer.mix), ("quantize.calibration.mix", self.quantize.calibration.mix or {})):
            if extra := [language for language in mix if language not in self.data.mix]:
                raise ValueError(f"{section}: {', '.join(extra)} not in data.mix, which has {', '.join(self.data.mix)}")
        if self.tokenizer.vocab_size < 256 + SPECIAL_COUNT:
            raise ValueError(f"tokenizer.vocab_size: at least {256 + SPECIAL_COUNT} are needed for bytes and special tokens")
        return self
