"""Kazakh words a second on llama.cpp: what a tokenizer of its own and a smaller vocabulary are worth to someone who waits for an answer.

    python -m bench.decode --ours TOKENIZER --qwen TOKENIZER --text DATA/heldout/kk.jsonl.zst --work FOLDER --out RECORD [--prepare]

Every model has random weights, the same quantisation and the same text. Its first tokens are fed one at a time, as in generation, by models
that take turns; words a second are tokens a second by the tokens that a word of the whole text takes. "our shape, Qwen's vocabulary" tells
the effect of the tokenizer from that of the shape. TOKENIZER is a folder with `tokenizer.json`. Files and timings are kept in --work:
`--prepare` only makes the files; a run that is stopped and started again adds turns until every model has had --rounds.
"""

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import llama_cpp
from rich.console import Console
from tokenizers import Tokenizer

from bench.random_model import QWEN3_06B, QWEN25_05B, QWEN_ROWS, Case, count_weights, write_random_model
from bench.record import device, write_record
from kishi.errors import ParityError
from kishi.jsonl import read_rows
from quantize import llama
from recipes.base import shape as shape_of
from recipes.loading import load_recipe

RECIPE = Path("recipes/kishi-350m.yaml")
QUANTISATION = "Q4_K_M"
LOADING_THREADS = 2  # for quantising and cutting text, which are not timed
CONTEXT = 512
OURS, REFERENCE = "Kishi-350M", "Qwen3-0.6B shape and vocabulary"
console = Console(highlight=False, width=140)


def all_cases(ours: Path, qwen: Path) -> dict[str, Case]:
    """The models that are compared, by name."""
    shape = shape_of(load_recipe(RECIPE))
    own_rows = Tokenizer.from_file(str(ours / "tokenizer.json")).get_vocab_size()
    return {
        OURS: Case(shape, ours, "qwen35", own_rows),
        "Kishi-350M shape, Qwen's vocabulary": Case(shape, qwen, "qwen2", QWEN_ROWS),
        "Qwen2.5-0.5B shape and vocabulary": Case(QWEN25_05B, qwen, "qwen2", QWEN_ROWS, architecture="qwen2"),
        REFERENCE: Case(QWEN3_06B, qwen, "qwen2", QWEN_ROWS),
    }


def quantised(case: Case, folder: Path) -> Path:
    """The model's file, made when it is not there; its name holds what it is made from."""
    target = folder / f"{case.fingerprint()}-{QUANTISATION}.gguf"
    if not target.is_file():
        whole = folder / "whole.gguf"
        write_random_model(whole, case, CONTEXT)
        llama.quantize(whole, target, QUANTISATION, LOADING_THREADS)
        whole.unlink()
    return target


def tokens_per_word(case: Case, path: Path, texts: Sequence[str]) -> tuple[float, list[int]]:
    """Over all texts by llama.cpp, and the ids in one row. Raises ParityError when Hugging Face cuts a text otherwise."""
    reference = Tokenizer.from_file(str(case.tokenizer / "tokenizer.json"))
    ids: list[int] = []
    with llama.opened(path, CONTEXT, LOADING_THREADS) as model:
        for text in texts:
            own = llama.token_ids(model, text)
            if own != reference.encode(text, add_special_tokens=False).ids:
                raise ParityError(f"llama.cpp cuts a text differently: {text[:80]!r}", where=case.tokenizer)
            ids += own
    return len(ids) / sum(len(text.split()) for text in texts), ids


def tokens_per_second(path: Path, ids: Sequence[int], threads: int) -> float:
    """Speed of feeding the ids one at a time, after a first one that also allocates.

    One thread is timed by the processor's time that it gets, so that other work on the machine does not count; more, which wait for each
    other, by the clock.
    """
    clock = time.process_time if threads == 1 else time.perf_counter
    with llama.opened(path, CONTEXT, threads) as model:
        model.eval(list(ids[:1]))
        begin = clock()
        for number in ids[1:]:
            model.eval([number])
        return (len(ids) - 1) / (clock() - begin)


def take_turns(files: Mapping[str, Path], ids: Mapping[str, Sequence[int]], rounds: int, threads: int, log: Path) -> dict[str, list[float]]:
    """Tokens a second of each turn; `log` holds the turns of earlier runs and gets each new one as it ends."""
    speeds: defaultdict[str, list[float]] = defaultdict(list)
    for row in read_rows(log) if log.is_file() else ():
        speeds[row["file"]].append(row["tokens_per_second"])
    for number in range(rounds):
        for name, path in files.items():
            if len(speeds[path.name]) > number:
                continue
            speeds[path.name].append(speed := round(tokens_per_second(path, ids[name], threads), 3))
            with log.open("a", encoding="utf-8") as out:
                out.write(json.dumps({"file": path.name, "tokens_per_second": speed, "load": device()["load_average"][0]}) + "\n")
            console.print(f"round {number + 1}: {name:38} {speed:7.2f} tokens/s")
    return {name: speeds[path.name] for name, path in files.items()}


def measure(cases: Mapping[str, Case], texts: Sequence[str], tokens: int, rounds: int, threads: int, folder: Path) -> dict[str, Any]:
    """Words and tokens a second of each model: medians over turns, so that a busy moment hits one turn of all of them."""
    files = {name: quantised(case, folder) for name, case in cases.items()}
    cut = {name: tokens_per_word(case, files[name], texts) for name, case in cases.items()}
    first = {name: ids[: tokens + 1] for name, (_, ids) in cut.items()}
    speeds = take_turns(files, first, rounds, threads, folder / f"turns-{threads}-{tokens}.jsonl")
    return {
        name: {
            "parameters": count_weights(cases[name]),
            "vocabulary_rows": cases[name].rows,
            "shape": cases[name].shape.model_dump(),
            "file_bytes": files[name].stat().st_size,
            "tokens_per_word": round(cut[name][0], 4),
            "tokens_per_second": (middle := round(statistics.median(turns), 2)),
            "words_per_second": round(middle / cut[name][0], 2),
            "turns": turns,
        }
        for name, turns in speeds.items()
    }


def compared(figures: dict[str, Any], ours: str) -> dict[str, Any]:
    """How many times as many words a second `ours` writes, and which part of it is fewer tokens and which faster tokens."""
    best = figures[ours]
    for row in figures.values():
        row["ours_writes_words_faster_by"] = round(best["words_per_second"] / row["words_per_second"], 2)
        row["of_it_fewer_tokens"] = round(row["tokens_per_word"] / best["tokens_per_word"], 2)
        row["of_it_faster_tokens"] = round(best["tokens_per_second"] / row["tokens_per_second"], 2)
    return figures


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Kazakh words a second on llama.cpp")
    for name in ("ours", "qwen", "text", "work", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--tokens", type=int, default=64, help="fed in one turn")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2, help="1: timed by the processor's time, for a machine that is not quiet")
    parser.add_argument("--prepare", action="store_true", help="only make the files")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    cases = all_cases(arguments.ours, arguments.qwen)
    if arguments.prepare:
        for case in cases.values():
            console.print(quantised(case, arguments.work))
        return
    texts = [row["text"] for row in read_rows(arguments.text)]
    figures = compared(measure(cases, texts, arguments.tokens, arguments.rounds, arguments.threads, arguments.work), OURS)
    for name, row in figures.items():
        console.print(
            f"{name:38} {row['tokens_per_second']:7.1f} tokens/s {row['words_per_second']:7.2f} words/s"
            f"  ours x{row['ours_writes_words_faster_by']}"
        )
    clock = "processor" if arguments.threads == 1 else "wall"
    settings = {
        "clock": clock,
        "quantisation": QUANTISATION,
        "threads": arguments.threads,
        "tokens": arguments.tokens,
        "llama_cpp_python": llama_cpp.__version__,
    }
    write_record(arguments.out, "decode", figures, settings=settings)


if __name__ == "__main__":
    main()
