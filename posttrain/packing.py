"""Several conversations in one row, so that no work is spent on padding.

They must not see each other. transformers' mask functions read the borders from the positions, which begin at 0 in each conversation, but
only where no attention mask is given and the attention is torch's own; then a packed row has the logits of its conversations alone. The
mask is dense: rows x length x length bytes, and the kernels that need no mask are not used.
"""

from collections.abc import Sequence
from typing import Any

import torch

from kishi.errors import ArtefactError
from posttrain.likelihood import IGNORED, Row

EXACT = ("sdpa", "eager")  # attentions in which a test shows it


def check_attention(model: Any) -> None:
    """Raises ArtefactError for an attention that would let packed conversations see each other, or is not known not to."""
    found = model.config._attn_implementation
    if found not in EXACT:
        raise ArtefactError(
            f"conversations cannot be packed with the attention {found}", fix=f"sft.packing: false, or one of {', '.join(EXACT)}"
        )


def packed(rows: Sequence[Row], limit: int) -> Any:
    """A data set of rows of at most `limit` tokens: best fit, longest first (arXiv 2404.10830), none cut.

    `seq_lengths` says how long the conversations of a row are. The rows themselves must be within the limit.
    """
    from datasets import Dataset
    from trl import pack_dataset

    data = Dataset.from_dict({"input_ids": [ids for ids, _ in rows], "labels": [labels for _, labels in rows]})
    return pack_dataset(data, limit, "bfd")


class PackedRows:
    """Makes a batch: positions that begin anew in each conversation, and no attention mask. Padding is one more conversation, unlearnt."""

    def __init__(self, pad: int) -> None:
        self.pad = pad

    def __call__(self, examples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """`input_ids`, `labels`, `position_ids`, all (rows, longest)."""
        longest = max(len(example["input_ids"]) for example in examples)
        ids, labels, positions = [], [], []
        for example in examples:
            own, lengths = list(example["input_ids"]), list(example.get("seq_lengths") or [len(example["input_ids"])])
            filling = longest - len(own)
            places = [place for length in (*lengths, filling) for place in range(length)]
            learnt = [label if place else IGNORED for label, place in zip(example["labels"], places, strict=False)]
            ids.append(own + [self.pad] * filling)
            labels.append(learnt + [IGNORED] * filling)
            positions.append(places)
        return {"input_ids": torch.tensor(ids), "labels": torch.tensor(labels), "position_ids": torch.tensor(positions)}


def facts(trainer: Any, rows: Sequence[Row]) -> dict[str, Any]:
    """How many rows there are now, and the share of them that is no padding."""
    count, tokens = len(trainer.train_dataset), sum(len(ids) for ids, _ in rows)
    return {"rows": count, "filled": round(tokens / (count * trainer.args.max_length), 4)}
