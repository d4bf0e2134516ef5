"""The recipe's quantised models."""

from typing import Annotated, Literal

from pydantic import Field

from kishi.languages import Language
from recipes.section import Positive, Section

GgufType = Literal["F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_NL", "IQ4_XS", "Q4_0"]
GroupSize = Literal[32, 64, 128]


class Gguf(Section):
    """Which quantised files are made."""

    types: tuple[GgufType, ...] = ("F16", "Q8_0", "Q4_K_M")
    heldout_characters: Positive = Field(40_000, description="of each language, on which the gate and the files' perplexity are measured")
    importance_matrix: bool = Field(True, description="types below 8 bits weigh each column's error by its activations on calibration text")


class Calibration(Section):
    """Text that shows which numbers of a model matter: from the training corpus (clean where there is any), never held-out documents."""

    mix: dict[Language, Annotated[float, Field(gt=0)]] | None = Field(None, description="shares by tokens; default: data.mix")
    tokens: Positive = Field(65_536, description="of all languages together; less when the corpus has less")
    length: Positive = Field(512, description="tokens in a row, at most (the model's context is a limit too)")


class Grouped(Section):
    """Four-bit weights, 16-bit activations, one scale a group of weights of a row."""

    group_size: GroupSize = Field(128, description="at most: 64 or 32 is taken where the rows cannot be divided by it")


class Awq(Grouped):
    """Activation-aware weight quantisation (arXiv 2306.00978)."""


class Gptq(Grouped):
    """GPTQ (arXiv 2210.17323)."""


class AutoRound(Grouped):
    """Rounding learnt by signed gradient descent (arXiv 2309.05516)."""

    iterations: Positive = 200


class Fp8(Section):
    """8-bit floating-point weights (a scale a row) and activations (a scale a token, found while running): no calibration."""


class Qat(Section):
    """A short fine-tune on the grid of GGUF's Q4_0, taught by the model itself before quantisation (arXiv 2305.17888)."""

    steps: Positive = 300
    batch_size: Positive = Field(32, description="rows of `length` tokens in one step, on any hardware")
    length: Positive = Field(512, description="tokens in a row, at most (the model's context is a limit too)")
    learning_rate: float = Field(5e-5, gt=0)


class Quantize(Section):
    """Methods beside GGUF's own, each a stage that is in the chain when it is named here."""

    calibration: Calibration = Calibration()
    heldout_tokens: Positive | None = Field(
        None, description="of each language, on which eval-quantized measures every form: the first documents; default: all"
    )
    tool_questions: Positive = Field(60, description="held-out ones of the tools stage that eval-quantized asks every form, at most")
    awq: Awq | None = None
    gptq: Gptq | None = None
    autoround: AutoRound | None = None
    fp8: Fp8 | None = None
    qat: Qat | None = None

    @property
    def methods(self) -> tuple[str, ...]:
        """The named ones, which are also stages."""
        return tuple(name for name in METHODS if getattr(self, name) is not None)


METHODS = ("awq", "gptq", "autoround", "fp8", "qat")
