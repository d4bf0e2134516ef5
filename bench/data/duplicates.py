"""Planted duplicates among real documents, through the pipeline's own MinHash steps: which are found, and what sound text goes.

A planted copy counts as near when its word 5-grams and the original's have a Jaccard similarity of at least 0.8. The texts are real, so
some are alike before anything is planted: a removed original is false only when no other text shares half of its 5-grams with it.
"""

import random
from collections import defaultdict
from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster

from data_prep.deduplicate import BUCKETS, ChooseKept, DropDuplicates, Signatures, VerifyPairs, config
from data_prep.executor import Step, run_steps
from data_prep.shards import ReadShard, WriteShard
from kishi.jsonl import read_rows
from kishi.words import shingles, words_of
from recipes.loading import load_hardware
from recipes.schema_data import Data

SEED = 1


def figures(texts: list[str], work: Path) -> dict[str, dict[str, float]]:
    """Found, of how many, as a share."""
    draw = random.Random(4)
    copies = {
        "exact": texts,
        "case and punctuation changed": [text.upper().replace(",", " -") for text in texts],
        "near: words left out": [_without_words(draw, text, draw.uniform(0.001, 0.03)) for text in texts],
        "near: a page's frame around it": [f"Басты бет\n{text}\nБарлық құқықтар қорғалған, {draw.randrange(2000, 2030)}" for text in texts],
        "near: the end is missing": [text[: int(len(text) * draw.uniform(0.82, 0.99))] for text in texts],
    }
    result: dict[str, dict[str, float]] = {}
    for number, (kind, planted) in enumerate(copies.items()):
        removed = _removed(texts, planted, work / str(number))
        near = [place for place, text in enumerate(planted) if _alike(texts[place], text) >= 0.8]
        hits = sum(bool(removed & {f"o{place}", f"p{place}"}) for place in near)
        result[kind] = {"found": hits, "of": len(near), "share": round(hits / len(near), 4)}
    alone = _removed(texts, [], work / "alone")
    false = [name for name in alone if not _has_kin(int(name[1:]), texts)]
    result["sound documents removed"] = {"found": len(false), "of": len(texts), "share": round(len(false) / len(texts), 4)}
    return result


def _without_words(draw: random.Random, text: str, share: float) -> str:
    return " ".join(word for word in text.split(" ") if draw.random() > share)


def _grams(text: str) -> set[tuple[str, ...]]:
    return set(shingles(words_of(text), 5))


def _alike(one: str, other: str) -> float:
    first, second = _grams(one), _grams(other)
    return len(first & second) / max(1, len(first | second))


def _has_kin(place: int, texts: list[str]) -> bool:
    own, shared = _grams(texts[place]), defaultdict[int, int](int)
    for other, text in enumerate(texts):
        if other != place:
            shared[other] = len(own & _grams(text))
    return max(shared.values()) >= 0.5 * len(own)


def _removed(texts: list[str], planted: list[str], work: Path) -> set[str]:
    """Names of the documents that the steps remove: o and p with the place."""
    metadata = {"lang": "kk", "source": "s", "license": "x", "tier": "clean", "domain": "d", "origin": "s", "group": "g", "faults": []}
    for rank, (letter, group) in enumerate((("o", texts), ("p", planted))):
        list(WriteShard(work, "clean").run([Document(text, f"{letter}{n}", metadata=metadata) for n, text in enumerate(group)], rank))
    minhash = config(SEED)
    cluster = MinhashDedupCluster(str(work / "verified"), str(work / "clusters"), minhash, save_cluster_id=True)
    similarity = Data.model_fields["near_duplicate_similarity"].default
    steps = [
        Step("signatures", [ReadShard(work, "clean"), Signatures(work, SEED)], 2),
        Step("buckets", [MinhashDedupBuckets(str(work / "signatures"), str(work / "pairs"), config=minhash)], BUCKETS),
        Step("pairs", [VerifyPairs(work, similarity)], BUCKETS),
        Step("clusters", [cluster, ChooseKept(work)], 1),
        Step("split", [ReadShard(work, "clean"), DropDuplicates(work), WriteShard(work, "split")], 2),
    ]
    run_steps(steps, work, load_hardware("cpu"), 1)
    return {row["id"] for path in sorted((work / "duplicates").glob("*.jsonl.zst")) for row in read_rows(path)}
