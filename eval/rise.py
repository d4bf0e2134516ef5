"""By how much a smaller form's loss is above the model's own, and how sure that is."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import bootstrap

_RESAMPLES = 2000


def rise(nats: Sequence[float], reference: Sequence[float]) -> dict[str, Any]:
    """Rise of bits per byte in percent, with the 95 % interval of a bootstrap over documents.

    Both losses are of the same documents in the same order: each resample takes a document's two losses together, so that what makes a
    document hard for both forms does not count. The interval is None with fewer than two documents.
    """
    ours, theirs = np.asarray(nats, dtype=float), np.asarray(reference, dtype=float)
    found = {"rise": round(float(_percent(ours, theirs)), 3), "interval": None}
    if len(ours) < 2 or np.array_equal(ours, theirs):
        return found | {"interval": [0.0, 0.0] if len(ours) >= 2 else None}
    spread = bootstrap(
        (ours, theirs),
        _percent,
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=_RESAMPLES,
        rng=np.random.default_rng(0),
    ).confidence_interval
    return found | {"interval": [round(float(spread.low), 3), round(float(spread.high), 3)]}


def _percent(ours: Any, theirs: Any, axis: int = -1) -> Any:
    return 100 * (ours.sum(axis) / theirs.sum(axis) - 1)
