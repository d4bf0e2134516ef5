"""How good a reward model is on held-out pairs: accuracy by group, calibration, and the part that length has in it."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import logsigmoid

from posttrain.chat_data import Example
from posttrain.length_bias import correlation, length_bias, wins

BINS = 5  # of the confidence, from 0.5 to 1
NORMAL_95 = 1.959964


def measure(chosen: torch.Tensor, rejected: torch.Tensor) -> dict[str, float]:
    """Of the scores of both answers, shape (pairs,): share of pairs that are in order, mean margin, and mean -log sigmoid of the margin."""
    margin = chosen - rejected
    values = {"accuracy": wins(margin).mean(), "margin": margin.mean(), "loss": -logsigmoid(margin).mean()}
    return {name: round(float(value), 6) for name, value in values.items()}


def report(
    pairs: Sequence[Example], scores: tuple[torch.Tensor, torch.Tensor], tokens: tuple[torch.Tensor, torch.Tensor]
) -> dict[str, Any]:
    """All that the manifest says of the held-out pairs. `scores`, `tokens`: of the chosen and of the rejected answers, shape (pairs,)."""
    margin = scores[0] - scores[1]
    return {
        **measure(*scores),
        "pairs": len(pairs),
        "interval": interval(float(wins(margin).sum()), len(pairs)),
        "by_language": by_group(margin, [str(pair.get("lang", "unknown")) for pair in pairs]),
        "by_kind": by_group(margin, [kind_of(pair) for pair in pairs]),
        "calibration": calibration(margin),
        "length": length_bias(margin, *tokens) | {"score_correlation": correlation(torch.cat(scores), torch.cat(tokens))},
    }


def kind_of(pair: Example) -> str:
    """What is wrong with the rejected answer, as the data says it."""
    return str(pair.get("why") or pair.get("kind") or pair.get("task") or "unknown")


def by_group(margin: torch.Tensor, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Accuracy and number of the pairs with each name, in the order of names."""
    groups = {}
    for name in sorted(set(names)):
        won = wins(margin[[place for place, other in enumerate(names) if other == name]])
        groups[name] = {"accuracy": round(float(won.mean()), 4), "pairs": len(won)}
    return groups


def calibration(margin: torch.Tensor) -> dict[str, Any]:
    """Whether the model is as often right as it says it is: sigmoid of the margin is its probability that the chosen answer is the better.

    Its confidence is that of the side it takes, 0.5 to 1. `error` is the expected calibration error (arXiv 1706.04599): the mean distance
    between confidence and accuracy over bins, weighted by their pairs. `bins`: the reliability table.
    """
    confidence, won = torch.sigmoid(margin.abs()), wins(margin)
    places = ((confidence - 0.5) * 2 * BINS).long().clamp(max=BINS - 1)
    rows = []
    for place in range(BINS):
        inside = places == place
        if inside.any():
            low = 0.5 + place / (2 * BINS)
            rows.append(
                {
                    "from": round(low, 4),
                    "to": round(low + 1 / (2 * BINS), 4),
                    "pairs": int(inside.sum()),
                    "confidence": round(float(confidence[inside].mean()), 4),
                    "accuracy": round(float(won[inside].mean()), 4),
                }
            )
    error = sum(row["pairs"] * abs(row["confidence"] - row["accuracy"]) for row in rows) / len(margin)
    return {"error": round(error, 4), "bins": rows}


def interval(hits: float, count: int) -> list[float]:
    """Wilson's score interval of a share at 95 %."""
    share, z = hits / count, NORMAL_95
    middle, spread = share + z * z / (2 * count), z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return [round(max(0.0, (middle - spread) / (1 + z * z / count)), 4), round(min(1.0, (middle + spread) / (1 + z * z / count)), 4)]
