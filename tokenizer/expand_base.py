"""Two stages of a recipe with `base`: its tokenizer grows to `tokenizer.vocab_size` tokens, and then its model a row for each new one.

The grown tokenizer has Kishi's special tokens as well, those that the base has at its ids, and Kishi's chat template.
"""

import json
import shutil
from pathlib import Path
from typing import Any
from unicodedata import normalize

from rich.console import Console
from tokenizers import AddedToken, Tokenizer

from kishi.errors import ArtefactError, DataError, RecipeError
from kishi.hard_texts import hard_texts
from kishi.jsonl import read_rows, write_json
from kishi.special_tokens import END_OF_TEXT, NAMED, PAD, ids_in
from recipes import base
from recipes.job import Job
from tokenizer.encoder import HuggingFace
from tokenizer.expand import Expansion, check_old_ids, expand, weigh_text
from tokenizer.fertility import measure
from tokenizer.train import write_companions

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")
PIECES = "new_tokens.json"
console = Console(highlight=False)


def run(job: Job) -> dict[str, Any]:
    """Stage `tokenizer`: write the grown tokenizer's files and what each new token is made of. Raises KishiError as `grown`."""
    assert job.recipe.base is not None
    data, source = job.inputs["data"], base.folder(job.recipe.base)
    old = Tokenizer.from_file(str(source / "tokenizer.json"))
    rows = base.base_shape(job.recipe).rows
    with console.status("learning new tokens"):
        expansion = grown(old, weigh_text(data, job.recipe.tokenizer, job.recipe.seed), job.recipe.tokenizer.vocab_size, rows, source)
    expansion.tokenizer.save(str(job.folder / "tokenizer.json"))
    write_companions(job.folder, job.recipe.pretrain.sequence_length)
    write_json(job.folder / PIECES, expansion.pieces)
    heldout: dict[str, list[str]] = {
        language: [row["text"] for row in read_rows(data / "heldout" / f"{language}.jsonl.zst")] for language in job.recipe.languages
    }
    fertility = measure(HuggingFace("expanded", expansion.tokenizer), heldout)
    write_json(job.folder / "fertility.json", fertility)
    console.print(f"{len(expansion.pieces):,} new tokens after the base's {old.get_vocab_size():,}")
    return {
        "vocab_size": expansion.tokenizer.get_vocab_size(),
        "base_tokens": old.get_vocab_size(),
        "base_rows": rows,
        "license": job.recipe.base.license,
        "special_tokens": ids_in(job.folder),
        "fertility": fertility,
        "base_fertility": measure(HuggingFace("base", old), heldout),
    }


def grown(old: Tokenizer, weights: dict[str, float], size: int, rows: int, source: Path) -> Expansion:
    """The base's tokenizer with exactly `size` tokens.

    Raises RecipeError for a size below the base's, DataError when the text gives less, ArtefactError, ParityError.
    """
    special, pieces = _with_special_tokens(old, source)
    least = max(rows, special.get_vocab_size() + 1)
    if size < least:
        raise RecipeError(
            f"{size} tokens, but the base has {old.get_vocab_size()} in {rows} rows, and {len(pieces)} special ones come to them",
            where="tokenizer.vocab_size",
            fix=f"at least {-(-least // 128) * 128}",
        )
    found = expand(special, weights, size - special.get_vocab_size())
    if (have := found.tokenizer.get_vocab_size()) < size:
        raise DataError(
            f"the text gives only {len(found.pieces)} new tokens, {have} in all",
            where="tokenizer.vocab_size",
            fix=f"ask for {have // 128 * 128} or fewer, or give more text",
        )
    if max(found.tokenizer.get_vocab().values()) != size - 1:
        raise ArtefactError("ids are not counted from 0 without gaps", where=source / "tokenizer.json", fix="this base cannot be expanded")
    composed = [normalize("NFC", text) for text in hard_texts()]
    check_old_ids(old, found.tokenizer, [text for text in composed if not any(token in text for token in NAMED)])
    return Expansion(found.tokenizer, pieces | found.pieces)


def _with_special_tokens(old: Tokenizer, source: Path) -> tuple[Tokenizer, dict[int, tuple[int, ...]]]:
    """The base's tokenizer and those of Kishi's named tokens that it lacks, with what their rows begin as.

    End-of-text begins as the base's own, others as the mean of the tokens that spell them. No token is put before a text, and no NFC
    normaliser is kept, which llama.cpp has not: composing letters belongs to the data stage.
    """
    content = json.loads(old.to_str())
    for token in content["added_tokens"]:
        token["special"] = token["special"] or token["content"] in NAMED  # text that spells it must stay text
    if content["normalizer"] == {"type": "NFC"}:
        content["normalizer"] = None
    if (content["post_processor"] or {}).get("type") != "ByteLevel":
        content["post_processor"] = None
    tokenizer = Tokenizer.from_str(json.dumps(content, ensure_ascii=False))
    missing = [token for token in NAMED if tokenizer.token_to_id(token) is None]
    pieces = [tuple(old.encode(token, add_special_tokens=False).ids) for token in missing]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in missing])
    begins = {tokenizer.token_to_id(token): piece for token, piece in zip(missing, pieces, strict=True)}
    if END_OF_TEXT in missing and (end := _end_of_text(source)) is not None:
        begins[tokenizer.token_to_id(END_OF_TEXT)] = (end,)
    return tokenizer, begins


def _end_of_text(source: Path) -> int | None:
    """The base's own, from its config."""
    end: int | list[int] | None = json.loads((source / "config.json").read_bytes()).get("eos_token_id")
    return end[0] if isinstance(end, list) else end


def run_model(job: Job) -> dict[str, Any]:
    """Stage `expand-model`: write the base's model with a row for each new token, as a Hugging Face folder. Raises KishiError."""
    from transformers.utils.logging import disable_progress_bar

    from tokenizer.new_rows import expand_model

    disable_progress_bar()
    assert job.recipe.base is not None
    source, tokenizer = base.folder(job.recipe.base), job.inputs["tokenizer"]
    old = Tokenizer.from_file(str(source / "tokenizer.json"))
    made_of = {int(new): tuple(pieces) for new, pieces in json.loads((tokenizer / PIECES).read_bytes()).items()}
    expansion = Expansion(Tokenizer.from_file(str(tokenizer / "tokenizer.json")), made_of)
    with console.status("making new rows"):
        difference = expand_model(source, job.folder, old, expansion, job.recipe.base.rows, job.inputs["data"], job.recipe.seed)
    _finish(job.folder, tokenizer)
    return {
        "license": job.recipe.base.license,
        "rows": {"base": base.base_shape(job.recipe).rows, "expanded": job.recipe.tokenizer.vocab_size, "method": job.recipe.base.rows},
        "old_logits_difference": difference,
    }


def _finish(folder: Path, tokenizer: Path) -> None:
    """The grown tokenizer's files beside the weights, and its ends of text in the configuration."""
    for name in TOKENIZER_FILES:
        shutil.copyfile(tokenizer / name, folder / name)
    special = ids_in(tokenizer)
    config = json.loads((folder / "config.json").read_bytes())
    write_json(folder / "config.json", {**config, "bos_token_id": None, "eos_token_id": special[END_OF_TEXT], "pad_token_id": special[PAD]})
    (folder / "generation_config.json").unlink(missing_ok=True)  # the base's names tokens of its own chat
