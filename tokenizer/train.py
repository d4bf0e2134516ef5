"""The tokenizer stage: byte-level BPE learnt on a bounded sample of the corpus. docs/tokenizer.md explains each choice.

No normaliser (NFC belongs to data preparation, and an exact round trip to the tokenizer).

    python -m recipes.run recipes/kishi-tiny.yaml tokenizer
"""

import json
import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from kishi.errors import DataError
from kishi.hard_texts import hard_texts
from kishi.jsonl import read_rows, write_json
from kishi.special_tokens import END_OF_TEXT, PAD, SPECIAL_TOKENS
from recipes.job import Job
from tokenizer.encoder import HuggingFace
from tokenizer.fertility import check_round_trip, measure
from tokenizer.pattern import PATTERN, PRE_TOKENIZER
from tokenizer.sample import Plan, plan
from tokenizer.word_weights import count, repeated, weigh

CHAT_TEMPLATE = Path(__file__).with_name("chat_template.jinja")
console = Console(highlight=False)


def run(job: Job) -> dict[str, Any]:
    """Write `tokenizer.json`, its Hugging Face companions, the chat template and `fertility.json`. Raises DataError, ParityError."""
    data, settings = job.inputs["data"], job.recipe.tokenizer
    begin = time.monotonic()
    sample = plan(data, settings.mix, settings.sample_megabytes, settings.domain_power, job.recipe.seed)
    expected = estimate(sample.bytes, settings.vocab_size)
    console.print(f"{sample.bytes / 1e6:.1f} MB of text; about {expected['seconds']} s and {expected['gigabytes']} GB of memory")
    weights = weigh(count(sample.texts()), settings.mix, settings.count_power, settings.domain_power)
    tokenizer = train(weights, settings.vocab_size, settings.min_frequency)
    check_round_trip(tokenizer, hard_texts(random_texts=1000))
    seconds = round(time.monotonic() - begin, 1)
    heldout: dict[str, list[str]] = {
        language: [row["text"] for row in read_rows(data / "heldout" / f"{language}.jsonl.zst")] for language in job.recipe.languages
    }
    fertility = measure(HuggingFace("kishi", tokenizer), heldout)
    tokenizer.save(str(job.folder / "tokenizer.json"))
    write_companions(job.folder, job.recipe.pretrain.sequence_length)
    write_json(job.folder / "fertility.json", fertility)
    measured = {"seconds": seconds, "gigabytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 1)}
    return {
        "vocab_size": tokenizer.get_vocab_size(),
        "sample_bytes": sample.bytes,
        "sample": by_language(sample),
        "cost": {"estimated": expected, "measured": measured},
        "pre_tokenizer": PRE_TOKENIZER,
        "fertility": fertility,
    }


def estimate(sample_bytes: int, vocab_size: int) -> dict[str, float]:
    """Seconds and gigabytes that training will take, from runs of 1 to 145 MB on two CPU cores."""
    megabytes = sample_bytes / 1e6
    return {
        "seconds": round(2 + 0.25 * megabytes + vocab_size / 8000),
        "gigabytes": round(0.2 + 0.006 * megabytes, 1),
    }


def by_language(sample: Plan) -> dict[str, dict[str, int]]:
    """UTF-8 bytes of each domain of the sample, per language."""
    table: dict[str, dict[str, int]] = {}
    for stratum, size in sorted(sample.chosen.items()):
        table.setdefault(stratum.language, {})[stratum.domain] = size
    return table


def train(weights: Mapping[str, float], vocab_size: int, min_frequency: int, pattern: str = PATTERN) -> Tokenizer:
    """Learn exactly `vocab_size` tokens: the special ones at 0-63, the 256 bytes, then merges. `weights` are of pre-tokenized pieces."""
    tokenizer = Tokenizer(models.BPE())
    as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = as_bytes  # the pieces are cut already
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=[AddedToken(token, normalized=False, special=True) for token in SPECIAL_TOKENS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=console.is_terminal,
    )
    tokenizer.train_from_iterator(repeated(weights), trainer)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), as_bytes])
    if (got := tokenizer.get_vocab_size()) != vocab_size:
        raise DataError(
            f"the text gives only {got} tokens of the {vocab_size} asked for (pairs that weigh {min_frequency} or more)",
            where="tokenizer.vocab_size",
            fix=f"ask for {got // 128 * 128} or fewer, or give more text" if got >= 512 else "give more text",
        )
    return tokenizer


def write_companions(folder: Path, max_length: int) -> None:
    """What `transformers` reads beside the `tokenizer.json` there. End-of-text, padding and end-of-turn are three different tokens."""
    added = json.loads((folder / "tokenizer.json").read_bytes())["added_tokens"]
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_length,
        "eos_token": END_OF_TEXT,
        "pad_token": PAD,
        "clean_up_tokenization_spaces": False,
        "added_tokens_decoder": {
            str(token["id"]): {key: token[key] for key in ("content", "lstrip", "normalized", "rstrip", "single_word", "special")}
            for token in added
        },
    }
    write_json(folder / "tokenizer_config.json", config)
    write_json(folder / "special_tokens_map.json", {"eos_token": END_OF_TEXT, "pad_token": PAD})
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE.read_text(encoding="utf-8"), encoding="utf-8")
