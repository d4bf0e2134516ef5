"""The recipe's `base`, `tokenizer`, `model` and `pretrain`."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from kishi.languages import Language
from recipes.section import Positive, Section, Share, Tier


class Base(Section):
    """A model of someone else's that training goes on from: a Hugging Face folder, or a hub id pinned to a commit (recipes/base.py)."""

    path: str | None = Field(None, min_length=1, description="local folder in Hugging Face's layout")
    hub: str | None = Field(None, pattern=r"^[^/\s]+/[^/\s]+$", description="owner/name")
    revision: str | None = Field(None, pattern=r"^[0-9a-f]{40}$", description="commit of the hub's model")
    license: str = Field(min_length=1, description="SPDX identifier, or the words of the model's page")
    rows: Literal["mean", "focus"] = Field("focus", description="how the embedding rows of new tokens begin (tokenizer/new_rows.py)")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.path is None) == (self.hub is None):
            raise ValueError("give either path or hub")
        if (self.hub is None) != (self.revision is None):
            raise ValueError("hub needs revision, the 40 hex digits of a commit, and path has none")
        return self


class Tokenizer(Section):
    """Byte-level BPE. The defaults were chosen by measurement (bench/records/*-tokenizer-ablation).

    With `base` its tokenizer grows to `vocab_size` tokens, old ones included, instead of a new one being learnt.
    """

    vocab_size: Annotated[int, Field(ge=512, multiple_of=128)]
    mix: dict[Language, Share] = Field({"kk": 0.495, "ru": 0.352, "en": 0.153}, description="what each language weighs, by UTF-8 bytes")
    sample_megabytes: float = Field(512, gt=0, description="text that the merges are learnt from, at most")
    count_power: float = Field(0.3, gt=0, le=1, description="a word counts as occurrences ** count_power in its domain; 1 is plain BPE")
    domain_power: float = Field(0.5, ge=0, le=1, description="words of a domain of n words count n ** (domain_power - 1) times")
    min_frequency: Positive = 2

    @model_validator(mode="after")
    def _mix_adds_up(self) -> Self:
        if abs(sum(self.mix.values()) - 1) > 1e-6:
            raise ValueError(f"mix: shares add up to {sum(self.mix.values()):g}, not 1")
        return self


class Model(Section):
    """A Qwen3-class dense decoder: RMSNorm, SwiGLU, RoPE, grouped-query attention, QK-norm, tied embeddings."""

    layers: Positive
    hidden_size: Annotated[int, Field(gt=0, multiple_of=64)]
    ffn_hidden_size: Annotated[int, Field(gt=0, multiple_of=64)]
    attention_heads: Positive
    kv_heads: Positive
    head_dim: Annotated[int, Field(gt=0, multiple_of=8)]
    rope_theta: float = Field(10_000.0, gt=0)
    norm_eps: float = Field(1e-6, gt=0)
    init_std: float = Field(0.02, gt=0)

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.attention_heads % self.kv_heads:
            raise ValueError(f"attention_heads ({self.attention_heads}) must be a multiple of kv_heads ({self.kv_heads})")
        return self

    def parameters(self, vocab_size: int) -> int:
        """Number of weights, the tied embedding counted once."""
        attention = self.hidden_size * self.head_dim * 2 * (self.attention_heads + self.kv_heads)
        norms = 2 * self.hidden_size + 2 * self.head_dim
        layer = attention + 3 * self.hidden_size * self.ffn_hidden_size + norms
        return vocab_size * self.hidden_size + self.layers * layer + self.hidden_size


class Phase(Section):
    """One stretch of pretraining on one tier. Phase 1 warms up and stays at the peak; phase 2 decays."""

    tier: Tier
    steps: Positive


class Keep(Section):
    """Which checkpoints stay on disk (train/retention.py); a phase's last one always does."""

    last: Positive = Field(2, description="the newest ones")
    every: Positive | None = Field(None, description="and those whose step is a multiple of this")
    best: bool = Field(True, description="and the one with the lowest mean held-out bits per byte, of those whose step was measured")


class Spike(Section):
    """When a loss counts as a spike (train/spikes.py): OLMo 2's rule, 6 deviations in the last 128 steps, with robust statistics."""

    factor: float | None = Field(6.0, gt=0, description="deviations above the median of the last losses; null: only what is not finite")
    window: Annotated[int, Field(ge=4)] = Field(128, description="steps that are looked back on; judged from half of it on")
    skips_in_a_row: Positive = Field(10, description="more than so many steps skipped one after the other stop the run")


class Muon(Section):
    """Muon for the matrices of the layers; embedding and norms keep AdamW. Momentum, steps and factor: arXiv 2502.16982."""

    learning_rate: float | None = Field(
        None, gt=0, description="of the matrices; default: pretrain.learning_rate, as updates have the size of AdamW's (factor 0.2)"
    )
    momentum: Share = 0.95


class Pretrain(Section):
    """Warm-up-stable-decay over two phases that share one optimiser state."""

    WATCHING: ClassVar[set[str]] = {  # keys that change nothing of the model: they may be changed in the middle of a run
        *("evaluate_every", "heldout_documents", "questions", "sample_tokens", "sample_prompts", "checkpoint_every", "keep")
    }

    sequence_length: Positive
    global_batch_size: Positive = Field(description="sequences a step, over all GPUs")
    learning_rate: float = Field(gt=0)
    min_learning_rate: float = Field(0.0, ge=0, description="reached at the end of phase 2")
    warmup_steps: Annotated[int, Field(ge=0)]
    weight_decay: float = Field(0.1, ge=0)
    optimizer: Literal["adamw", "muon"] = "adamw"
    muon: Muon = Muon()
    adam_beta1: Share = 0.9
    adam_beta2: Share = 0.95
    clip_grad: float = Field(1.0, gt=0)
    evaluate_every: Positive
    heldout_documents: Positive = Field(200, description="held-out documents of each language and tier that are measured, at most")
    questions: Annotated[int, Field(ge=0)] = Field(50, description="of each language of each of eval.tasks that are asked, at most")
    checkpoint_every: Positive
    keep: Keep = Keep()
    on_divergence: Literal["skip", "stop"] = Field("skip", description="at a loss or gradient that is not finite, or a spike of the loss")
    spike: Spike = Spike()
    sample_tokens: Positive = 32
    sample_prompts: dict[Language, str]
    phases: tuple[Phase, Phase]

    @model_validator(mode="after")
    def _warmup_fits(self) -> Self:
        if self.warmup_steps >= self.phases[0].steps:
            raise ValueError(f"warmup_steps ({self.warmup_steps}) must be below the steps of phase 1 ({self.phases[0].steps})")
        return self

    @property
    def total_steps(self) -> int:
        """Steps of both phases."""
        return self.phases[0].steps + self.phases[1].steps
