"""What a recipe may say. Unknown keys are errors; every number that decides what the model *is* has its place here.

Reading a file into these models, and the messages for faults, are in `loading.py`. How a run is executed (GPUs, precision,
kernels) is in `hardware.py`.
"""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kishi.languages import Language
from kishi.special_tokens import COUNT as SPECIAL_COUNT

Tier = Literal["dirty", "clean"]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]


class Section(BaseModel):
    """Base of all parts of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Hub(Section):
    """A data set of the Hugging Face hub, streamed; `revision` pins its content."""

    dataset: str = Field(min_length=1, description="owner/name, or a local folder in the same layout")
    subset: str | None = None
    split: str = "train"
    revision: str | None = Field(None, pattern=r"^[0-9a-f]{40}$", description="commit; needed for all but local folders")
    parts: Positive = Field(64, description="units of work: data files are shared out among them")
    data_files: Positive | None = Field(None, description="read only so many of its data files, spread evenly; default: all")

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        if self.revision is None and not self.dataset.startswith(("/", "./", "data/")):
            raise ValueError(f"hub: {self.dataset} needs revision, the 40 hex digits of a commit, so that a rerun reads the same text")
        return self


class Source(Section):
    """Documents from one place: JSON Lines (plain or .zst), parquet, plain text, Wikipedia extracts (wiki_00), or a hub data set.

    `license`, `tier` and `language` hold for all its documents; left out, each row must carry `license` (a row without one is
    quarantined) and may carry `tier` and `lang`.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    path: str | None = Field(None, min_length=1, description="file or folder; relative to data.folder, else the working folder")
    hub: Hub | None = None
    license: str | None = Field(None, min_length=1, description="SPDX identifier, or the words of the source; default: each row's")
    tier: Tier | None = Field("clean", description="null: each row's `tier`")
    promote: bool = Field(False, description="dirty documents that pass the strict filters join the clean tier")
    language: Language | None = Field(None, description="of all its documents; default: each row's `lang`, else identified")
    weight: float = Field(1.0, gt=0, description="how often it is seen, relative to a source of weight 1")
    text_key: str = Field("text", min_length=1)
    id_key: str = Field("id", min_length=1)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.path is None) == (self.hub is None):
            raise ValueError(f"source {self.name}: give either path or hub")
        if self.hub and not self.license:
            raise ValueError(f"source {self.name}: license is missing")
        return self


class Corruption(Section):
    """How the dirty tier is made from the clean one: the share of documents that get each fault (data_prep/corrupt.py)."""

    markup: Share = 0.2
    boilerplate: Share = 0.3
    near_duplicates: Share = 0.2
    exact_duplicates: Share = 0.1
    mixed_languages: Share = 0.1
    broken_encoding: Share = 0.1
    personal_data: Share = 0.15


class Limits(Section):
    """Limits that a document must keep. The shares follow FineWeb-2 and Gopher (docs/data.md says where each comes from)."""

    min_characters: Positive = 100
    max_characters: Positive = 1_000_000
    language_margin: float = Field(1.0, ge=0, description="distance in heliport's score from which a line surely is in another language")
    document_margin: float = Field(0.2, ge=0, description="the same of a document, towards languages that the recipe does not train")
    max_duplicate_lines: Share = Field(0.304, description="share of characters in repeated lines")
    max_mean_word_length: float = Field(20.0, gt=0)
    min_alphabetic_words: Share = Field(0.5, description="share of words with a letter")
    min_line_punctuation: Share = Field(0.0, description="share of lines that end in punctuation")
    max_new_lines: float = Field(1.0, gt=0, description="line breaks a word")
    max_labels: Share = Field(1.0, description="share of the text in lines of at most 30 characters without punctuation at their end")
    max_ellipsis_lines: Share = Field(0.3, description="share of lines cut off with an ellipsis (Gopher)")
    max_placeholders: Share = Field(0.05, description="share of words that a program fills in: %1, %s, { $name }")
    max_lower_case: Share = Field(1.0, description="share of sentences that begin with a small letter")
    repetition: float = Field(2.0, ge=0, description="Gopher's limits on repeated word n-grams, times this; 0: off")


class Filters(Limits):
    """One tier's limits, and what differs in a language: `languages: {kk: {max_mean_word_length: 12}}`."""

    languages: dict[Language, dict[str, float]] = {}

    def for_language(self, language: str) -> Limits:
        """The limits after the language's own."""
        base = self.model_dump(exclude={"languages"})
        return Limits.model_validate(base | self.languages.get(language, {}))  # type: ignore[call-overload]

    @model_validator(mode="after")
    def _known(self) -> Self:
        for language in self.languages:
            self.for_language(language)
        return self


class Decontamination(Section):
    """What counts as a repetition of evaluation text (data_prep/decontaminate.py)."""

    ngram: Positive = Field(13, description="words in a row shared with a task or chat example")
    containment: Share = Field(0.55, description="share of a short example's word trigrams found close together")
    max_heldout_overlap: Share = Field(0.05, description="share of 8-grams in common with one held-out document")


class Data(Section):
    """Sources, and how they become the corpus of each phase."""

    sources: tuple[Source, ...] = Field(min_length=1)
    mix: dict[Language, Share] = Field(description="share of each language by UTF-8 bytes")
    corrupt: Corruption | None = Field(None, description="make a dirty tier from the clean sources")
    folder: str | None = Field(None, description="where the paths of sources begin")
    light: Filters = Field(Filters(), description="for the dirty tier")
    strict: Filters = Field(Filters(), description="for the clean tier")
    near_duplicate_similarity: Share = Field(0.7, description="Jaccard similarity of word shingles from which two documents count as one")
    decontamination: Decontamination = Decontamination()
    heldout: Share = Field(0.1, description="share of documents kept from training to measure on")
    shard_megabytes: float = Field(64, gt=0, description="of source file in one unit of work")

    @model_validator(mode="after")
    def _mix_adds_up(self) -> Self:
        total = sum(self.mix.values())
        if abs(total - 1) > 1e-6:
            raise ValueError(f"mix: shares add up to {total:g}, not 1")
        names = [source.name for source in self.sources]
        if len(set(names)) != len(names):
            raise ValueError(f"sources: names must differ, got {', '.join(names)}")
        return self


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


class Finetune(Section):
    """What SFT and DPO share."""

    path: str = Field(min_length=1, description="JSON Lines in TRL's conversational format")
    license: str = Field(min_length=1)
    epochs: float = Field(gt=0)
    batch_size: Positive = Field(description="examples in one step, on any hardware")
    learning_rate: float = Field(gt=0)
    max_length: Positive = Field(description="tokens; longer examples are left out and counted (the model's context is a limit too)")
    heldout: Share = 0.1


class Sft(Finetune):
    """Supervised fine-tuning, loss on the assistant's turns only."""


class Dpo(Finetune):
    """Direct preference optimisation (arXiv 2305.18290) from the SFT model, which is also the reference."""

    beta: float = Field(0.1, gt=0, description="how dear it is to leave the reference")
    sft_weight: float = Field(0.0, ge=0, description="weight of the usual loss on the chosen answers beside DPO's (arXiv 2404.19733)")


GgufType = Literal["F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M"]


class Gguf(Section):
    """Which quantised files are made."""

    types: tuple[GgufType, ...] = ("F16", "Q8_0", "Q4_K_M")


class Task(Section):
    """A multiple-choice set for lm-eval: JSON Lines with question, choices, answer (index), lang."""

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    path: str = Field(min_length=1)
    license: str = Field(min_length=1)


class Evaluation(Section):
    """What every model is measured on, beside bits per byte of the held-out documents."""

    tasks: tuple[Task, ...] = ()
    prompts: dict[Language, str] = Field(description="what each model is asked to continue or answer in the report")


class Recipe(Section):
    """One whole run."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1234
    data: Data
    base: Base | None = None
    tokenizer: Tokenizer
    model: Model | None = Field(None, description="left out with `base`, whose own shape it has")
    pretrain: Pretrain
    sft: Sft
    dpo: Dpo
    gguf: Gguf = Gguf()
    eval: Evaluation

    def part(self, dotted: str) -> Any:
        """What stands at a place, as in a JSON file: `eval.tasks` is the `tasks` of `eval`. Raises KeyError.

        Left out is what only watches pretraining: a part decides what a stage makes.
        """
        value: Any = self.model_dump(mode="json", exclude={"pretrain": Pretrain.WATCHING})
        for key in dotted.split("."):
            value = value[key]
        return value

    @property
    def languages(self) -> tuple[Language, ...]:
        """The languages of the mix, in its order."""
        return tuple(self.data.mix)

    @model_validator(mode="after")
    def _from_scratch_or_base(self) -> Self:
        if (self.base is None) == (self.model is None):
            raise ValueError("give either model (its shape, trained from scratch) or base (a model to go on from)")
        if self.base is None and self.tokenizer.vocab_size >= 65_500:
            raise ValueError(f"tokenizer.vocab_size: below 65500, where an id fits two bytes (got {self.tokenizer.vocab_size})")
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
        if extra := [language for language in self.tokenizer.mix if language not in self.data.mix]:
            raise ValueError(f"tokenizer.mix: {', '.join(extra)} not in data.mix, which has {', '.join(self.data.mix)}")
        if self.tokenizer.vocab_size < 256 + SPECIAL_COUNT:
            raise ValueError(f"tokenizer.vocab_size: at least {256 + SPECIAL_COUNT} are needed for bytes and special tokens")
        return self
