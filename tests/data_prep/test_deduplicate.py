"""Near duplicates through datatrove's four stages: what meets, what is verified, which one stays."""

import random
from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster

from data_prep.deduplicate import BUCKETS, ChooseKept, DropDuplicates, Signatures, VerifyPairs, config
from data_prep.executor import Step, run_steps
from data_prep.shards import ReadShard, WriteShard
from kishi.jsonl import read_rows
from recipes.loading import load_hardware
from tests.data_prep.documents import document


def _deduplicated(work: Path, shards: list[list[Document]]) -> tuple[list[str], dict[str, str]]:
    """(ids that stay, reason of each that went)."""
    for rank, documents in enumerate(shards):
        list(WriteShard(work, "clean").run(documents, rank))
    minhash = config(1)
    cluster = MinhashDedupCluster(str(work / "verified"), str(work / "clusters"), minhash, save_cluster_id=True)
    steps = [
        Step("signatures", [ReadShard(work, "clean"), Signatures(work, 1)], len(shards)),
        Step("buckets", [MinhashDedupBuckets(str(work / "signatures"), str(work / "pairs"), config=minhash)], BUCKETS),
        Step("pairs", [VerifyPairs(work, 0.7)], BUCKETS),
        Step("clusters", [cluster, ChooseKept(work)], 1),
        Step("split", [ReadShard(work, "clean"), DropDuplicates(work), WriteShard(work, "split")], len(shards)),
    ]
    run_steps(steps, work, load_hardware("cpu"), 1)
    kept = [row["id"] for path in sorted((work / "documents/split").glob("*")) for row in read_rows(path)]
    removed = {row["id"]: row["reason"] for path in sorted((work / "duplicates").glob("*.jsonl.zst")) for row in read_rows(path)}
    return kept, removed


def _text(seed: int, words: int = 300) -> str:
    return " ".join(f"w{n}" for n in random.Random(seed).choices(range(5000), k=words))


def _edited(text: str, share: float, seed: int) -> str:
    """About `share` of the words replaced."""
    draw = random.Random(seed)
    return " ".join("new" if draw.random() < share else word for word in text.split())


def test_across_shards_the_clean_and_longest_one_stays(tmp_path: Path) -> None:
    text, other = _text(1), _text(2)
    first = [document("dirty", text, tier="dirty"), document("short", "two words"), document("longer", f"{other} end")]
    second = [document("clean", text.upper()), document("again", "Two words!"), document("b", other), document("c", _text(3))]
    kept, removed = _deduplicated(tmp_path, [first, second])
    assert kept == ["longer", "clean", "again", "c"]  # "Two words!" is the longer one
    assert removed == {"dirty": "exact-duplicate", "short": "exact-duplicate", "b": "near-duplicate"}


def test_recall_and_false_positives(tmp_path: Path) -> None:
    originals = [document(f"o{n}", _text(n)) for n in range(100)]
    # 2 % of the words changed: more than 80 % of the 5-grams are shared; 20 %: about a third of them
    near = [document(f"near{n}", _edited(_text(n), 0.02, n)) for n in range(100)]
    far = [document(f"far{n}", _edited(_text(n + 1000), 0.2, n)) for n in range(50)]
    kept, removed = _deduplicated(tmp_path, [originals, near, far + [document(f"base{n}", _text(n + 1000)) for n in range(50)]])
    assert len(removed) >= 97 and all(name.startswith(("o", "near")) for name in removed)
    assert sum(name.startswith(("far", "base")) for name in kept) == 100
