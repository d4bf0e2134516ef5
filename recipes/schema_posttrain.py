"""The recipe's parts after pretraining: what is trained on the examples of `chat` (schema_chat.py)."""

from pydantic import Field

from recipes.section import Positive, Section


class Finetune(Section):
    """What SFT and DPO share."""

    epochs: float = Field(gt=0)
    batch_size: Positive = Field(description="examples in one step, on any hardware")
    learning_rate: float = Field(gt=0)
    max_length: Positive = Field(description="tokens; longer examples are left out and counted (the model's context is a limit too)")


class Sft(Finetune):
    """Supervised fine-tuning, loss on the assistant's turns only."""


class Dpo(Finetune):
    """Direct preference optimisation (arXiv 2305.18290) from the SFT model, which is also the reference."""

    beta: float = Field(0.1, gt=0, description="how dear it is to leave the reference")
    sft_weight: float = Field(0.0, ge=0, description="weight of the usual loss on the chosen answers beside DPO's (arXiv 2404.19733)")
