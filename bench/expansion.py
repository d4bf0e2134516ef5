"""What the way of making new embedding rows is worth: a small model learns a language, its tokenizer grows, and it is trained on.

    python -m bench.expansion --data runs/kishi-local/data --test DATA/heldout --work FOLDER --out RECORD

An old tokenizer that is mostly English is trained, and a small model with it. Then the tokenizer is expanded with Kazakh and Russian, each
method makes the new rows (`random`: as a fresh model has them), and the model is trained on with the new tokenizer: the same text in the
same order. `none` is the old model trained on with its old tokenizer. Measured in bits per byte of Kazakh, which do not depend on the
tokenizer. The base model stays in --work and rows that RECORD holds are kept: started again it goes on.
"""

import argparse
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn.functional import cross_entropy
from transformers import Qwen3Config, Qwen3ForCausalLM

from bench.record import write_record
from bench.tokenizer_texts import flores
from kishi.bits_per_byte import batches, bits_per_byte, padded, windows
from kishi.languages import Language
from recipes.schema_pretrain import Tokenizer as Defaults
from tokenizer.expand import MIX, Expansion, expand
from tokenizer.new_rows import focus_rows, grow, mean_rows
from tokenizer.pattern import PATTERN
from tokenizer.sample import Stratum, plan
from tokenizer.word_weights import count, weigh

OLD_MIX: dict[Language, float] = {"en": 0.75, "ru": 0.2, "kk": 0.05}  # what the old tokenizer learns from, as its like do
FIRST_MIX: dict[Language, float] = {"en": 0.4, "ru": 0.3, "kk": 0.3}  # what the old model reads: it knows Kazakh, in fragments
THEN_MIX: dict[Language, float] = {"en": 0.2, "ru": 0.2, "kk": 0.6}
OLD_TOKENS, NEW_TOKENS = 6000, 1500
LENGTH, BATCH, LEARNING_RATE, WARMUP = 128, 8, 2e-3, 30
METHODS = ("none", "random", "mean", "focus")
SENTENCES = 100
console = Console(highlight=False, width=140)
Pool = Sequence[tuple[Stratum, str]]


@dataclass(frozen=True)
class Setting:
    """What all methods share."""

    pool: Pool
    old: Tokenizer
    expansion: Expansion
    texts: Sequence[str]
    work: Path
    first: int
    then: int
    looks: Sequence[int]


def draw(pool: Pool, mix: Mapping[Language, float], megabytes: float) -> list[str]:
    """Documents of each language up to its share, in an order that does not go by language."""
    room = {language: share * megabytes * 1e6 for language, share in mix.items()}
    taken: list[str] = []
    for stratum, text in pool:
        if room.get(stratum.language, 0) > 0:
            room[stratum.language] -= len(text.encode())
            taken.append(text)
    random.Random(0).shuffle(taken)
    return taken


def old_tokenizer(pool: Pool) -> Tokenizer:
    """Byte-level BPE with an end-of-text token at 0, learnt from plain counts."""
    tokenizer = Tokenizer(models.BPE())
    as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(PATTERN), "isolated"), as_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=OLD_TOKENS,
        special_tokens=["<|end|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(draw(pool, OLD_MIX, 5), trainer)
    return tokenizer


def grow_tokenizer(old: Tokenizer, pool: Pool) -> Expansion:
    """Expanded from the Kazakh and Russian of the pool, weighed as `tokenizer.expand` does."""
    counts = count(pair for pair in pool if pair[0].language in MIX)
    settings = Defaults(vocab_size=512)
    return expand(old, weigh(counts, MIX, settings.count_power, settings.domain_power), NEW_TOKENS)


def reader(tokenizer: Tokenizer, texts: Sequence[str], seed: int) -> Iterator[torch.Tensor]:
    """(BATCH, LENGTH + 1) ids without end, in an order that the seed decides."""
    ids = [number for one in tokenizer.encode_batch(texts, add_special_tokens=False) for number in [0, *one.ids]]
    rows = torch.tensor(ids[: len(ids) // (LENGTH + 1) * (LENGTH + 1)]).view(-1, LENGTH + 1)
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield from rows[torch.randperm(len(rows), generator=generator)].split(BATCH)


def train(model: Any, reader: Iterator[torch.Tensor], steps: int, looks: Sequence[int], look: Any) -> None:
    """AdamW with a short warm-up; `look(step)` is called before the step of each number in `looks`, and at the end."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.95), weight_decay=0.1)
    for step in range(steps + 1):
        if step in looks:
            look(step)
        if step == steps:
            return
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(1, (step + 1) / WARMUP)
        rows = next(reader)
        logits = model(rows[:, :-1]).logits
        cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()


@torch.inference_mode()
def bits(model: Any, tokenizer: Tokenizer, texts: Sequence[str]) -> float:
    """Bits per byte of the texts."""
    cut = [window for text in texts for window in windows(tokenizer.encode(text, add_special_tokens=False).ids, 0, LENGTH)]
    total = 0.0
    for batch in batches(cut, 2048):
        inputs, targets = (torch.tensor(part) for part in padded(batch, 0, -100))
        total += float(cross_entropy(model(inputs).logits.flatten(0, 1), targets.flatten(), reduction="sum", ignore_index=-100))
    return bits_per_byte(total, sum(len(text.encode()) for text in texts))


def base_model(setting: Setting, seed: int) -> Any:
    """The old model, trained or read from the work folder."""
    path = setting.work / f"base-{setting.first}-{seed}"
    if not (path / "model.safetensors").is_file():
        torch.manual_seed(seed)
        shape = {"hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2}
        config = Qwen3Config(vocab_size=setting.old.get_vocab_size(), head_dim=32, max_position_embeddings=LENGTH, **shape)
        config.tie_word_embeddings = True
        model = Qwen3ForCausalLM(config)
        train(model, reader(setting.old, draw(setting.pool, FIRST_MIX, 5), seed), setting.first, (), None)
        model.save_pretrained(path)
    return Qwen3ForCausalLM.from_pretrained(path)


def grown(model: Any, method: str, setting: Setting, seed: int) -> Any:
    """The model with rows for the new tokens."""
    pieces = setting.expansion.pieces
    rows = mean_rows(pieces)
    if method == "focus":
        documents = setting.expansion.tokenizer.encode_batch(draw(setting.pool, MIX, 8), add_special_tokens=False)
        rows = focus_rows(pieces, [one.ids for one in documents], max(pieces) + 1)
    grow(model, rows, min(pieces))
    if method == "random":
        torch.manual_seed(seed)
        torch.nn.init.normal_(model.get_input_embeddings().weight.data[min(pieces) :], std=model.config.initializer_range)
    return model


def curve(method: str, setting: Setting, seed: int) -> dict[str, float]:
    """Kazakh bits per byte by step of training on."""
    model, tokenizer = base_model(setting, seed), setting.old
    if method != "none":
        model, tokenizer = grown(model, method, setting, seed), setting.expansion.tokenizer
    found: dict[str, float] = {}

    def look(step: int) -> None:
        found[str(step)] = round(bits(model, tokenizer, setting.texts), 4)

    train(model, reader(tokenizer, draw(setting.pool, THEN_MIX, 2), seed + 100), setting.then, setting.looks, look)
    return found


def means(rows: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """By method and step, over the seeds that are there."""
    found: dict[str, dict[str, float]] = {}
    for method in METHODS:
        if curves := [row for name, row in rows.items() if name.startswith(f"{method},")]:
            found[method] = {step: round(sum(one[step] for one in curves) / len(curves), 4) for step in curves[0]}
    return found


def prepare(arguments: argparse.Namespace) -> Setting:
    """Text, tokenizers and steps."""
    pool = list(plan(arguments.data, {"kk": 0.5, "ru": 0.25, "en": 0.25}, 16, 0.5, seed=1).texts())
    random.Random(1).shuffle(pool)
    old = old_tokenizer(pool)
    texts = flores(arguments.test)["kk"][:SENTENCES]
    looks = sorted({0, 25, 50, 100, arguments.then})
    return Setting(pool, old, grow_tokenizer(old, pool), texts, arguments.work, arguments.first, arguments.then, looks)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="new embedding rows compared by training on")
    for name in ("data", "test", "work", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--first", type=int, default=500, help="steps of the old model")
    parser.add_argument("--then", type=int, default=150, help="steps with the new tokenizer")
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    setting = prepare(arguments)
    words = sum(len(text.split()) for text in setting.texts)
    per_word = {
        name: round(sum(len(one.encode(text).ids) for text in setting.texts) / words, 3)
        for name, one in (("old", setting.old), ("new", setting.expansion.tokenizer))
    }
    result = arguments.out / "result.json"
    rows: dict[str, dict[str, float]] = json.loads(result.read_bytes())["figures"]["rows"] if result.is_file() else {}
    for seed in range(arguments.seeds):
        for method in METHODS:
            if (name := f"{method}, seed {seed}") not in rows:
                rows[name] = curve(method, setting, seed)
                figures = {"kk_tokens_per_word": per_word, "new_tokens": len(setting.expansion.pieces), "means": means(rows), "rows": rows}
                write_record(arguments.out, "expansion", figures, steps={"first": setting.first, "then": setting.then})
            console.print(f"{name:18}", rows[name])


if __name__ == "__main__":
    main()
