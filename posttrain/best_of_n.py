"""The best of several answers, as a reward model sees it.

python -m posttrain.best_of_n RUN --prompt "..." [--count 8] [--temperature 0.8] [--seed 1] [--model dpo]

RUN is the folder of a run, `runs/kishi-tiny`. Prints the answers, the best first, with their scores.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from kishi import manifest
from kishi.errors import KishiError
from posttrain import answers, model_folder
from posttrain.length_bias import wins
from posttrain.reward_measures import interval
from posttrain.scoring import Messages, answered, scores


def ranked(scorer: Any, scorer_tokenizer: Any, prompt: Messages, found: Sequence[answers.Answer]) -> list[tuple[float, answers.Answer]]:
    """The answers with their scores, the best first."""
    values = scores(scorer, scorer_tokenizer, [answered(prompt, answer.text) for answer in found]).tolist()
    return sorted(zip(values, found, strict=True), key=lambda pair: -pair[0])


def best_against_one(samples: torch.Tensor) -> dict[str, Any]:
    """Of scores (prompts, samples): how far the best is above the first, and how often. The judge is the one that chose: an upper bound."""
    best, first = samples.max(1).values, samples[:, 0]
    return {
        "samples": samples.shape[1],
        "score_one": round(float(first.mean()), 4),
        "score_best": round(float(best.mean()), 4),
        "better_than_one": round(float((best > first).float().mean()), 4),
        "spread": round(float(samples.std(1).mean()), 4) if samples.shape[1] > 1 else None,
    }


def win_rate(one: torch.Tensor, other: torch.Tensor) -> dict[str, Any]:
    """How often `one` scores above `other`; equal scores count one half. Both of shape (prompts,)."""
    won = wins(one - other)
    return {"rate": round(float(won.mean()), 4), "interval": interval(float(won.sum()), len(won)), "ties": int((won == 0.5).sum())}


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0, or 1 with one message."""
    options = _parse(arguments)
    try:
        for stage in (options.model, "reward"):
            manifest.read(options.run / stage)
        model, tokenizer = model_folder.load(options.run / options.model / "model")
        scorer, scorer_tokenizer = model_folder.load_scorer(options.run / "reward" / "model")
    except KishiError as error:
        print(error.message(), file=sys.stderr)
        return error.exit_code
    prompt = [{"role": "user", "content": options.prompt}]
    found = answers.sampled(model, tokenizer, [prompt], options.count, options.temperature, options.seed)[0]
    for value, answer in ranked(scorer, scorer_tokenizer, prompt, found):
        print(f"{value:8.3f}  {answer.text}{'' if answer.stopped else ' …'}")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m posttrain.best_of_n", description="The best of several answers.")
    parser.add_argument("run", type=Path, help="folder of a run")
    parser.add_argument("--prompt", required=True)
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", default="dpo", help="stage whose model answers")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
