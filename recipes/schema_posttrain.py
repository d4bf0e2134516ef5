"""The recipe's parts after pretraining: what is trained on the examples of `chat` (schema_chat.py)."""

from pydantic import Field

from recipes.section import Positive, Section, Share


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


class Tools(Finetune):
    """Function calling, from the DPO model: conversations made from templates (posttrain/tool_data), and those of the chat sources.

    Its model is the final one. What it is measured on is made too, with templates and with tools that are not trained on.
    """

    examples: Positive = Field(3000, description="made to train on, in each language")
    heldout_examples: int = Field(
        150, ge=6, description="made to measure on, in each language; a third of them with tools never trained on"
    )
    replay: float = Field(
        0.3, ge=0, lt=1, description="share of the training examples that are SFT conversations, so that chat is not lost"
    )
    replay_with_tools: Share = Field(0.5, description="share of those that are shown tools which they do not need")
    answer_tokens: Positive = Field(160, description="of one answer when it is measured")
