"""The recipe's parts after pretraining: chat data and what is trained on it."""

from pydantic import Field

from recipes.section import Positive, Section, Share


class Steps(Section):
    """How long and how fast."""

    epochs: float = Field(gt=0)
    batch_size: Positive = Field(description="examples in one step, on any hardware")
    learning_rate: float = Field(gt=0)
    max_length: Positive = Field(description="tokens; longer examples are left out and counted (the model's context is a limit too)")


class Finetune(Steps):
    """What SFT and DPO share."""

    path: str = Field(min_length=1, description="JSON Lines in TRL's conversational format")
    license: str = Field(min_length=1)
    heldout: Share = 0.1


class Sft(Finetune):
    """Supervised fine-tuning, loss on the assistant's turns only."""


class Dpo(Finetune):
    """Direct preference optimisation (arXiv 2305.18290) from the SFT model, which is also the reference."""

    beta: float = Field(0.1, gt=0, description="how dear it is to leave the reference")
    sft_weight: float = Field(0.0, ge=0, description="weight of the usual loss on the chosen answers beside DPO's (arXiv 2404.19733)")


class Tools(Steps):
    """Function calling: conversations made from templates (posttrain/tool_data), and `path`'s if given, from the DPO model.

    Its model is the final one. The held-out examples are made too: with templates and with tools that are not trained on.
    """

    path: str = Field("", description="more tool conversations, JSON Lines with messages and tools; none if left out")
    license: str = Field("Apache-2.0", min_length=1, description="of `path`")
    examples: Positive = Field(3000, description="made to train on, in each language")
    heldout_examples: int = Field(150, ge=6, description="made to measure on, in each language; a third of them with tools never trained on")
    replay: float = Field(0.3, ge=0, lt=1, description="share of the training examples that are SFT conversations, so that chat is not forgotten")
    replay_with_tools: Share = Field(0.5, description="share of those that are shown tools which they do not need")
    answer_tokens: Positive = Field(160, description="of one answer when it is measured")

    @property
    def heldout(self) -> float:
        """As a share, as in the other sections."""
        return self.heldout_examples / (self.examples + self.heldout_examples)
