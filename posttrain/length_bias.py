"""Whether a preference is one for long answers.

People and judges like long answers, so pairs are often won by the longer one, and a model may learn length instead of quality
(arXiv 2310.03716). Three views: does the margin go with the difference in length, how often would "the longer one" be right, and how
good is the model on pairs where length says nothing.
"""

from typing import Any

import torch

MATCHED = 0.1  # lengths that differ by at most a tenth of the longer one count as equal


def length_bias(margin: torch.Tensor, chosen: torch.Tensor, rejected: torch.Tensor) -> dict[str, Any]:
    """`margin`: how much the model favours the chosen answer; `chosen`, `rejected`: lengths in tokens; all of shape (pairs,).

    A tie counts one half. `margin_correlation` is Pearson's with chosen - rejected, None where one of the two is constant.
    """
    difference = chosen - rejected
    matched = difference.abs() <= MATCHED * torch.maximum(chosen, rejected)
    return {
        "chosen_tokens": round(float(chosen.mean()), 2),
        "rejected_tokens": round(float(rejected.mean()), 2),
        "margin_correlation": correlation(margin, difference),
        "longer_is_chosen": round(float(wins(difference).mean()), 4),
        "matched_pairs": int(matched.sum()),
        "matched_accuracy": round(float(wins(margin[matched]).mean()), 4) if matched.any() else None,
    }


def wins(margin: torch.Tensor) -> torch.Tensor:
    """1 above 0, one half at 0, 0 below."""
    return (margin > 0).float() + 0.5 * (margin == 0).float()


def correlation(one: torch.Tensor, other: torch.Tensor) -> float | None:
    """Pearson's; None where it is not defined."""
    first, second = one.double() - one.double().mean(), other.double() - other.double().mean()
    size = float((first.norm() * second.norm()).item())
    return round(float(first @ second) / size, 4) if size > 0 else None
