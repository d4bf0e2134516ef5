"""The recipe's parts after pretraining: what is trained on the examples of `chat` (schema_chat.py)."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from recipes.section import Positive, Section, Share

TaskKind = Literal["arithmetic", "format", "language"]


class Lora(Section):
    """Train low-rank adapters instead of all weights; they are merged into the weights at the end (arXiv 2106.09685)."""

    rank: Positive = Field(16, description="of each adapter")
    alpha: Positive = Field(32, description="adapters count alpha / rank times; twice the rank is a good start (arXiv 2405.09673)")
    targets: Literal["all-linear"] | Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        "all-linear", description="names of the linear layers that get one; all of them beat attention alone (arXiv 2405.09673)"
    )


class Training(Section):
    """What the stages that train a chat model share."""

    batch_size: Positive = Field(description="examples in one step, on any hardware")
    learning_rate: float = Field(gt=0)
    lora: Lora | None = Field(None, description="default: train all weights")


class Finetune(Training):
    """What SFT and DPO share."""

    epochs: float = Field(gt=0)
    max_length: Positive = Field(description="tokens; longer examples are left out and counted (the model's context is a limit too)")


class Packed(Finetune):
    """What SFT and tools share."""

    packing: bool = Field(
        False,
        description="several conversations in a row of max_length tokens, kept apart by the attention; a batch is then batch_size rows",
    )


class Sft(Packed):
    """Supervised fine-tuning, loss on the assistant's turns only."""

    neftune_alpha: float | None = Field(
        None,
        gt=0,
        description="noise on the embeddings while training: 5 in arXiv 2310.05914. Off: its gain is longer answers that a judge likes, "
        "not in knowledge, and here answers must be short and stop",
    )


class Dpo(Finetune):
    """Preference optimisation from the SFT model, which is also the reference: DPO (arXiv 2305.18290) or KTO (arXiv 2402.01306)."""

    method: Literal["dpo", "kto"] = Field("dpo", description="kto: each answer is good or bad by itself; the pairs are taken apart")
    loss: Literal["sigmoid", "ipo", "hinge", "sigmoid_norm", "apo_zero"] = Field(
        "sigmoid",
        description="of dpo. ipo does not drive margins on without end (arXiv 2310.12036), hinge is SLiC's (arXiv 2305.10425), "
        "sigmoid_norm counts an answer by its mean token as SimPO does (arXiv 2405.14734), apo_zero raises chosen answers (2408.06266)",
    )
    reference_free: bool = Field(False, description="of dpo: no reference model; half the work, and nothing holds the model back")
    beta: float = Field(0.1, gt=0, description="how dear it is to leave the reference; for ipo its tau")
    sft_weight: float = Field(
        0.0, ge=0, description="weight of the usual loss on the chosen answers beside DPO's (arXiv 2404.19733); not for kto"
    )

    @model_validator(mode="after")
    def _kto_has_its_own_loss(self) -> Self:
        off = {"loss": "sigmoid", "reference_free": False, "sft_weight": 0.0}
        set_too = [name for name, value in off.items() if getattr(self, name) != value]
        if self.method == "kto" and set_too:
            raise ValueError(f"method kto has a loss of its own, with a reference: leave out {', '.join(set_too)}")
        if self.method == "kto" and self.batch_size < 2:
            raise ValueError("method kto needs a batch_size of 2 or more: it compares with other answers of the batch")
        return self


class Reward(Training):
    """A model that gives an answer a number, from the SFT model and the pairs of `dpo` (Bradley-Terry, arXiv 2203.02155).

    What is held out from it is held out from DPO too.
    """

    epochs: float = Field(gt=0)
    center: float = Field(0.01, ge=0, description="pulls the mean score of a pair to 0 (arXiv 2312.09244); 0: off")
    prompts: Annotated[int, Field(ge=0)] = Field(64, description="held-out prompts on which SFT and DPO answers are compared, at most")
    best_of: Positive = Field(4, description="samples from which the best is taken, for best-of-n against one sample; 1: off")
    temperature: float = Field(0.8, gt=0, description="of these samples")


class Grpo(Training):
    """Group-relative policy optimisation (arXiv 2402.03300) on tasks that a program can check, from the DPO model."""

    tasks: Annotated[tuple[TaskKind, ...], Field(min_length=1)] = ("arithmetic", "format", "language")
    examples: Positive = Field(description="prompts that are made to train on, shared out evenly over tasks and languages")
    heldout: Positive = Field(60, description="prompts made to measure on; none of them is trained on")
    epochs: float = Field(1.0, gt=0)
    generations: Annotated[int, Field(ge=2)] = Field(8, description="answers to each prompt, which are compared with each other")
    answer_tokens: Positive = Field(64, description="an answer that is longer is cut off, and has not ended its turn")
    temperature: float = Field(1.0, gt=0)
    beta: float = Field(
        0.0, ge=0, description="weight of the distance to the reference; 0 as in DAPO (arXiv 2503.14476): no reference model"
    )

    @model_validator(mode="after")
    def _whole_groups(self) -> Self:
        if self.batch_size % self.generations:
            raise ValueError(f"batch_size ({self.batch_size} answers) must be a multiple of generations ({self.generations})")
        return self


class Tools(Packed):
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
