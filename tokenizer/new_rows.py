"""Embedding rows for new tokens, as weighted means of old rows; the rows of old tokens are not touched.

`mean`: of the pieces that the old tokenizer cuts the token into (as in arXiv 2402.14714). `focus`: of the old tokens used most alike in
Kazakh and Russian text, the idea of FOCUS (arXiv 2305.14481): similarity in an auxiliary space of token vectors, sparsemax (arXiv
1602.02068) as weights. The auxiliary vectors are a truncated SVD of positive pointwise mutual information (Levy and Goldberg, NIPS 2014)
instead of fastText. A token too rare to have such a vector gets the mean of its pieces.
"""

from collections.abc import Mapping, Sequence
from itertools import batched, islice
from pathlib import Path
from typing import Any, Literal

import torch
from tokenizers import Tokenizer
from torch import Tensor

from kishi.errors import ArtefactError, ParityError
from kishi.hard_texts import hard_texts
from tokenizer.expand import MIX, Expansion
from tokenizer.sample import plan

Method = Literal["mean", "focus"]
Rows = Mapping[int, tuple[Tensor, Tensor]]
"""For each new id: old ids, and their weights, which add up to one."""

WINDOW = 5  # tokens on either side that count as context
DIMENSIONS = 64
NEIGHBOURS = 32
_MEGABYTES = 16.0
_DOCUMENTS = 1000  # whose pairs are held at once
_TOLERANCE = 1e-5


def mean_rows(pieces: Mapping[int, Sequence[int]]) -> Rows:
    """Equal weights over the pieces."""
    return {new: (torch.tensor(old), torch.full((len(old),), 1 / len(old))) for new, old in pieces.items()}


def focus_rows(pieces: Mapping[int, Sequence[int]], documents: Sequence[Sequence[int]], size: int) -> Rows:
    """Weights over similar old tokens; `documents` are ids of the new tokenizer, all below `size`."""
    vectors = context_vectors(documents, size)
    known = vectors.norm(dim=1) > 0
    known[list(pieces)] = False
    old = known.nonzero().flatten()
    rows = dict(mean_rows(pieces))
    directions = torch.nn.functional.normalize(vectors, dim=1)
    for new in pieces:
        if not len(old) or not vectors[new].norm():
            continue
        similar, place = (directions[old] @ directions[new]).topk(min(NEIGHBOURS, len(old)))
        weights = sparsemax(similar)
        rows[new] = (old[place][weights > 0], weights[weights > 0])
    return rows


def context_vectors(documents: Sequence[Sequence[int]], size: int) -> Tensor:
    """(size, DIMENSIONS): each token by the company it keeps; zero for tokens that do not occur."""
    counts = _co_occurrences(documents, size)
    places, values = counts.indices(), counts.values()
    if not len(values):
        return torch.zeros(size, DIMENSIONS)
    totals = torch.zeros(size).index_add_(0, places[0], values)
    information = (values * values.sum() / (totals[places[0]] * totals[places[1]])).log().clamp(min=0)
    torch.manual_seed(0)  # svd_lowrank starts from random vectors
    left, strength, _ = torch.svd_lowrank(torch.sparse_coo_tensor(places, information, (size, size)), q=min(DIMENSIONS, size))
    vectors: Tensor = left * strength.sqrt() * (totals > 0).unsqueeze(1)
    return vectors


def _co_occurrences(documents: Sequence[Sequence[int]], size: int) -> Tensor:
    """Sparse (size, size): how often two tokens stand at most WINDOW apart, both ways."""
    torch.sparse.check_sparse_tensor_invariants.disable()  # said out loud, or torch warns
    counts = torch.sparse_coo_tensor(size=(size, size)).coalesce()
    for group in batched(documents, _DOCUMENTS):
        lines = [torch.tensor(ids) for ids in group]
        pairs = [torch.stack((line[:-k], line[k:])) for line in lines for k in range(1, WINDOW + 1) if len(line) > k]
        if pairs:
            both = torch.cat([*pairs, *(pair.flip(0) for pair in pairs)], 1)
            counts = (counts + torch.sparse_coo_tensor(both, torch.ones(both.shape[1]), (size, size))).coalesce()
    return counts


def sparsemax(scores: Tensor) -> Tensor:
    """Projection onto the probability simplex: like softmax, but small scores get exactly zero."""
    ordered = scores.sort(descending=True).values
    numbers = torch.arange(1, len(scores) + 1)
    support = int((1 + numbers * ordered > ordered.cumsum(0)).sum())
    return (scores - (ordered[:support].sum() - 1) / support).clamp(min=0)


def grow(model: Any, rows: Rows, old_size: int) -> None:
    """Add the rows to input embedding and head (one table where they are tied). Raises ArtefactError when the model is another one's."""
    have = model.get_input_embeddings().weight.shape[0]
    if have < old_size:
        raise ArtefactError(f"{have} embedding rows for {old_size} tokens", where="model", fix="give the model of this tokenizer")
    model.resize_token_embeddings(max(have, max(rows) + 1), mean_resizing=False)
    head = model.get_output_embeddings()
    tables = {
        id(table): table for table in (model.get_input_embeddings().weight, head.weight, getattr(head, "bias", None)) if table is not None
    }
    with torch.no_grad():
        for table in tables.values():
            before = table.float().clone()
            for new, (old, weights) in rows.items():
                table[new] = torch.tensordot(weights.to(before), before[old], dims=1).to(table.dtype)


def old_logits(model: Any, old: Tokenizer, texts: Sequence[str]) -> list[Tensor]:
    """Logits of the old vocabulary for texts in old tokens, (tokens, old_size) each."""
    size = old.get_vocab_size()
    with torch.inference_mode():
        ids = [old.encode(text, add_special_tokens=False).ids for text in texts]
        return [model(torch.tensor([one])).logits[0, :, :size].float() for one in ids if one]


def grow_checked(model: Any, rows: Rows, old: Tokenizer, texts: Sequence[str]) -> float:
    """Grow the model; returns the largest difference of old-vocabulary logits. Raises ParityError when it is above rounding."""
    before = old_logits(model, old, texts)
    grow(model, rows, old.get_vocab_size())
    after = old_logits(model, old, texts)
    difference = max(float((one - two).abs().max() / one.abs().max()) for one, two in zip(before, after, strict=True))
    if not difference <= _TOLERANCE:
        raise ParityError(f"old-vocabulary logits differ by {difference:.1e} of the largest", where="expanded model")
    return difference


def check_whole(source: Path, loaded: Mapping[str, Any]) -> None:
    """Raise ArtefactError when the folder lacks a weight, which the library would draw at random, or holds one that the model has not."""
    for problem in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
        if found := sorted(map(str, loaded.get(problem) or ())):
            raise ArtefactError(
                f"{len(found)} weights are {problem.partition('_')[0]}: {', '.join(found[:3])}", where=source, fix="get the model again"
            )


def expand_model(source: Path, target: Path, old: Tokenizer, expansion: Expansion, method: Method, data: Path, seed: int = 1234) -> float:
    """Write the grown model to `target`; returns the largest relative difference of old-vocabulary logits."""
    from transformers import AutoModelForCausalLM

    model, loaded = AutoModelForCausalLM.from_pretrained(source, dtype="auto", output_loading_info=True)
    check_whole(source, loaded)
    model.eval()
    rows = mean_rows(expansion.pieces)
    if method == "focus":
        texts = [text for _, text in plan(data, MIX, _MEGABYTES, 0.5, seed).texts()]
        documents = [encoding.ids for encoding in expansion.tokenizer.encode_batch(texts, add_special_tokens=False)]
        rows = focus_rows(expansion.pieces, documents, max(expansion.pieces) + 1)
    difference = grow_checked(model, rows, old, list(islice(filter(None, hard_texts()), 8)))
    model.save_pretrained(target)
    return difference
