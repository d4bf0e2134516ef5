"""The tokenizer stage: byte-level BPE learnt on a bounded sample in the recipe's language mix.

No normaliser (NFC belongs to data preparation, and an exact round trip to the tokenizer). The pre-tokenizer is the one that llama.cpp
calls `qwen35`: words keep their combining marks, digits stand alone.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from kishi.errors import DataError
from kishi.jsonl import read_rows, write_json
from kishi.languages import Language
from kishi.special_tokens import END_OF_TEXT, PAD, SPECIAL_IDS, SPECIAL_TOKENS
from recipes.job import Job
from tokenizer.fertility import check_round_trip, measure

# The pattern of Qwen3.5; llama.cpp knows it as `pre = qwen35`
PATTERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CHAT_TEMPLATE = Path(__file__).with_name("chat_template.jinja")


def run(job: Job) -> dict[str, Any]:
    """Write `tokenizer.json`, its Hugging Face companions, the chat template and `fertility.json`. Raises DataError, ParityError."""
    data, recipe = job.inputs["data"], job.recipe
    texts = list(sample(data, recipe.data.mix, recipe.tokenizer.sample_megabytes))
    tokenizer = train(texts, recipe.tokenizer.vocab_size, recipe.tokenizer.min_frequency)
    check_round_trip(tokenizer)
    heldout: dict[str, list[str]] = {
        language: [row["text"] for row in read_rows(data / "heldout" / f"{language}.jsonl.zst")] for language in recipe.languages
    }
    fertility = measure(tokenizer, heldout)
    tokenizer.save(str(job.folder / "tokenizer.json"))
    write_companions(job.folder, recipe.pretrain.sequence_length)
    write_json(job.folder / "fertility.json", fertility)
    size = sum(len(text.encode("utf-8")) for text in texts)
    return {"vocab_size": tokenizer.get_vocab_size(), "sample_bytes": size, "pre_tokenizer": "qwen35", "fertility": fertility}


def sample(data: Path, mix: dict[Language, float], megabytes: float) -> Iterator[str]:
    """Clean text first, then dirty, of each language up to its share of the bound; the same texts in the same order each time."""
    for language, share in mix.items():
        left = share * megabytes * 1e6
        for tier in ("clean", "dirty"):
            shards = sorted((data / "corpus" / tier).glob(f"{language}*.jsonl.zst"))
            for row in chain.from_iterable(map(read_rows, shards)):
                left -= len(row["text"].encode("utf-8"))
                if left < 0:
                    break
                yield row["text"]


def train(texts: list[str], vocab_size: int, min_frequency: int) -> Tokenizer:
    """Learn exactly `vocab_size` tokens: the special ones at 0-63, the 256 bytes, then merges."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(PATTERN), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=[AddedToken(token, normalized=False, special=True) for token in SPECIAL_TOKENS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if (got := tokenizer.get_vocab_size()) != vocab_size:
        possible = got // 128 * 128
        raise DataError(
            f"the text gives only {got} tokens of the {vocab_size} asked for (pairs seen {min_frequency} times or more)",
            where="tokenizer.vocab_size",
            fix=f"ask for {possible} or fewer, or give more text",
        )
    return tokenizer


def write_companions(folder: Path, max_length: int) -> None:
    """What `transformers` reads beside `tokenizer.json`. End-of-text, padding and end-of-turn are three different tokens."""
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_length,
        "eos_token": END_OF_TEXT,
        "pad_token": PAD,
        "clean_up_tokenization_spaces": False,
        "added_tokens_decoder": {
            str(number): {"content": token, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
            for token, number in SPECIAL_IDS.items()
        },
    }
    write_json(folder / "tokenizer_config.json", config)
    write_json(folder / "special_tokens_map.json", {"eos_token": END_OF_TEXT, "pad_token": PAD})
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE.read_text(encoding="utf-8"), encoding="utf-8")
