"""The cleaning as a list of datatrove pipelines. This list is the whole of it: laptop and cluster run the same."""

from pathlib import Path

from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster

from data_prep.collect import Collect
from data_prep.corrupt import Corrupt
from data_prep.decontaminate import Decontaminate
from data_prep.deduplicate import BUCKETS, ChooseKept, DropDuplicates, Signatures, VerifyPairs, config
from data_prep.evaluation_texts import evaluation_texts
from data_prep.executor import Step
from data_prep.filters import Quality
from data_prep.heldout import HoldOut
from data_prep.identify import Identify
from data_prep.index_heldout import IndexHeldout
from data_prep.mix import Draw, Mix, Threshold
from data_prep.normalise import Normalise
from data_prep.shards import ReadShard, WriteShard
from data_prep.sources import Unit
from recipes.schema import Recipe

# Those that keep evidence, in order: the rows of the funnel
FUNNEL = ("collect", "normalise", "language", "filters", "duplicates", "held-out split", "decontamination", "mix")


def steps(recipe: Recipe, units: list[Unit], work: Path, corpus: Path) -> list[Step]:
    """Task n of every step over documents handles unit n. Raises DataError when an evaluation text cannot be read."""
    data, seed, minhash = recipe.data, recipe.seed, config(recipe.seed)
    promoting = frozenset(source.name for source in data.sources if source.promote)
    clean = [
        Collect(work, units),
        *([Corrupt(data.corrupt, seed)] if data.corrupt else []),
        Normalise(work),
        Identify(work, tuple(data.mix), data.light),
        Quality(work, data.light, data.strict, promoting),
        WriteShard(work, "clean"),
        Signatures(work, seed),
    ]
    cluster = MinhashDedupCluster(str(work / "verified"), str(work / "clusters"), minhash, save_cluster_id=True)
    split = [ReadShard(work, "clean"), DropDuplicates(work), HoldOut(work, data.heldout, seed), WriteShard(work, "split")]
    decontaminate = [
        ReadShard(work, "split"),
        Decontaminate(work, evaluation_texts(recipe), data.decontamination),
        Draw(work, seed),
        WriteShard(work, "decontaminated"),
    ]
    return [
        Step("clean", clean, len(units)),
        Step("buckets", [MinhashDedupBuckets(str(work / "signatures"), str(work / "pairs"), config=minhash)], BUCKETS),
        Step("pairs", [VerifyPairs(work, data.near_duplicate_similarity)], BUCKETS),
        Step("clusters", [cluster, ChooseKept(work)], 1),
        Step("split", split, len(units)),
        Step("heldout-index", [IndexHeldout(work)], 1),
        Step("decontaminate", decontaminate, len(units)),
        Step("threshold", [Threshold(work, data.mix)], 1),
        Step("mix", [ReadShard(work, "decontaminated"), Mix(work, corpus, seed)], len(units)),
    ]
