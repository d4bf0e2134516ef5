"""The recipe's quantised models."""

from typing import Literal

from recipes.section import Section

GgufType = Literal["F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M"]


class Gguf(Section):
    """Which quantised files are made."""

    types: tuple[GgufType, ...] = ("F16", "Q8_0", "Q4_K_M")
