"""Function calls of a finished model, scored as on the Berkeley leaderboard: calls compared by their parts, words where no call fits.

python -m eval.tool_calls MODEL FILE [--grammar] [--most N]      MODEL: a .gguf file or a Hugging Face folder; FILE: JSON Lines (.zst too)
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kishi import gguf_chat, tool_answers, tool_scores
from kishi.errors import DataError, KishiError
from kishi.jsonl import Row, open_bytes, write_rows
from kishi.progress import track

ANSWER_TOKENS = 160
Answer = Callable[[tool_scores.Question], str]


def load(path: Path, most: int | None = None) -> list[tool_scores.Question]:
    """The rows, or `most` of them spread evenly. Raises DataError naming the first bad line: a test set must be whole."""
    if not path.is_file():
        raise DataError("no such file", where=path, fix="give JSON Lines with `messages` and `tools` (docs/tools.md)")
    found = []
    with open_bytes(path) as stream:
        for number, line in enumerate(stream, 1):
            try:
                found += [tool_scores.question(json.loads(line))] if line.strip() else []
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise DataError(f"not a tool conversation: {error}", where=f"{path}:{number}", fix="mend the line") from error
    if not found:
        raise DataError("no rows", where=path, fix="give at least one")
    return spread(found, most) if most else found


def spread(asked: Sequence[tool_scores.Question], most: int) -> list[tool_scores.Question]:
    """At most so many, in equal distances: kinds, languages and splits keep their shares."""
    return [asked[place * len(asked) // most] for place in range(most)] if most < len(asked) else list(asked)


def measure(answer: Answer, asked: Iterable[tool_scores.Question]) -> tuple[dict[str, Any], list[Row]]:
    """(table of shares, each answer with its verdict)."""
    return judged((one, answer(one)) for one in asked)


def judged(answers: Iterable[tuple[tool_scores.Question, str]]) -> tuple[dict[str, Any], list[Row]]:
    """The same of answers that are there."""
    rows = [tool_scores.judge(one, answer) for one, answer in answers]
    return tool_scores.table(rows), rows


def of_gguf(model: Any, constrained: bool, most: int = ANSWER_TOKENS) -> Answer:
    """How an open GGUF model answers: greedily; `constrained`: a grammar lets only words and calls that fit the schemas through."""

    def answer(asked: tool_scores.Question) -> str:
        constraint = gguf_chat.grammar(asked.tools) if constrained else None
        return gguf_chat.write(model, gguf_chat.prompt(model, asked.messages, asked.tools), most, constraint=constraint)[0]

    return answer


def run(
    path: Path, asked: Sequence[tool_scores.Question], grammar: bool, most: int, threads: int | None
) -> tuple[dict[str, Any], list[Row]]:
    """Open the model, measure it, close it. Raises DataError for a grammar with a Hugging Face model."""
    if path.suffix == ".gguf":
        with _opened(path, threads) as model:
            return measure(of_gguf(model, grammar, most), track(asked, "ask"))
    if grammar:
        raise DataError("a grammar works with GGUF models only", where="--grammar", fix="leave it out, or give a .gguf file")
    import torch
    from transformers import AutoTokenizer

    from eval import hugging_face

    tokenizer, device = AutoTokenizer.from_pretrained(path), "cuda" if torch.cuda.is_available() else "cpu"
    with hugging_face.opened(path, tokenizer, 0, True, device) as model:
        return judged(zip(asked, tool_answers.answers(model.model, tokenizer, asked, most), strict=True))


@contextmanager
def _opened(path: Path, threads: int | None) -> Iterator[Any]:
    """With all the context that the model knows; only the last token's logits are kept."""
    from llama_cpp import Llama

    model = Llama(str(path), n_ctx=0, n_threads=threads, n_threads_batch=threads, verbose=False)
    try:
        yield model
    finally:
        model.close()


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m eval.tool_calls", description=__doc__)
    parser.add_argument("model", type=Path, help="a .gguf file or a Hugging Face folder")
    parser.add_argument("file", type=Path, help="JSON Lines with messages and tools")
    parser.add_argument("--grammar", action="store_true", help="GGUF: let only words and calls that fit the schemas through")
    parser.add_argument("--most", type=int, help="ask only so many, spread evenly")
    parser.add_argument("--answer-tokens", type=int, default=ANSWER_TOKENS)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path, help="write each answer with its verdict here, JSON Lines")
    options = parser.parse_args(arguments)
    try:
        asked = load(options.file, options.most)
        table, judged = run(options.model, asked, options.grammar, options.answer_tokens, options.threads)
    except KishiError as error:
        print(error.message(), file=sys.stderr)
        return error.exit_code
    if options.out:
        write_rows(options.out, judged)
    print(json.dumps(table, ensure_ascii=False, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
