"""The data stage: collect, damage (demo only), clean, filter, deduplicate, hold out, mix. Nothing is dropped without a reason on file."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from data_prep import deduplicate, heldout
from data_prep.collect import Collected, collect
from data_prep.corrupt import corrupt
from data_prep.document import Document, Removed
from data_prep.filters import broken_limit
from data_prep.identify import drop_foreign_paragraphs, identify
from data_prep.mix import achieved, mix
from data_prep.normalise import normalise
from data_prep.score import score_cleaning
from kishi.jsonl import write_json, write_rows
from kishi.progress import track
from recipes.job import Job
from recipes.schema import Data, Filters, Tier

Step = tuple[list[Document], list[Removed]]


@dataclass
class TierCorpus:
    """One tier on its way through the steps, with the count that each step left."""

    tier: Tier
    documents: list[Document]
    removed: list[Removed] = field(default_factory=list)
    funnel: list[dict[str, Any]] = field(default_factory=list)

    def apply(self, name: str, step: Callable[[Sequence[Document]], Step]) -> None:
        """Run a step and record what it left, per language."""
        self.documents, removed = step(self.documents)
        self.removed += removed
        self.record(name)

    def record(self, name: str) -> None:
        """Add a row to the funnel."""
        count, size = Counter(d.lang for d in self.documents), Counter[str]()
        for document in self.documents:
            size[document.lang] += document.bytes
        self.funnel.append({"step": name, "documents": dict(count), "bytes": dict(size)})


def run(job: Job) -> dict[str, Any]:
    """Make `corpus/`, `heldout/`, `removed.jsonl.zst`, `quarantine.jsonl` and `statistics.json`; the same bytes each time."""
    data, seed = job.recipe.data, job.recipe.seed
    collected = collect(data.sources)
    clean = TierCorpus("clean", [d for d in collected.documents if d.tier == "clean"])
    dirty = TierCorpus("dirty", [d for d in collected.documents if d.tier == "dirty"])
    if data.corrupt:
        dirty.documents += corrupt([d for d in clean.documents if d.lang], data.corrupt, seed)
    damaged = list(dirty.documents)
    for corpus, limits in ((clean, data.strict), (dirty, data.light)):
        _clean(corpus, limits, data, seed)
    held = _hold_out(clean, dirty, data, seed)
    cleaned = list(dirty.documents)
    for corpus in (clean, dirty):
        if corpus.documents:
            corpus.apply("mix", lambda documents: mix(documents, data.mix, seed))
    facts = _facts(collected, clean, dirty, held, data)
    facts["cleaning_score"] = score_cleaning(damaged, cleaned, dirty.removed)
    _write(job.folder, collected, clean, dirty, held, facts)
    return facts


def _clean(corpus: TierCorpus, limits: Filters, data: Data, seed: int) -> None:
    corpus.record("collected")
    corpus.apply("language", lambda documents: _normalise_and_identify(documents, limits, tuple(data.mix)))
    corpus.apply("filters", lambda documents: _filter(documents, limits))
    corpus.apply("exact duplicates", deduplicate.remove_exact)
    corpus.apply("near duplicates", lambda documents: deduplicate.remove_near(documents, data.near_duplicate_similarity, seed))


def _hold_out(clean: TierCorpus, dirty: TierCorpus, data: Data, seed: int) -> list[Document]:
    """Held-out documents are clean ones; both tiers lose whatever repeats them."""
    clean.documents, held = heldout.split(clean.documents, data.heldout, seed)
    clean.record("held-out split")
    for corpus in (clean, dirty):
        corpus.apply("held-out overlap", lambda documents: heldout.remove_overlap(documents, held))
    return held


def _normalise_and_identify(documents: Sequence[Document], limits: Filters, languages: tuple[str, ...]) -> Step:
    kept, removed = [], []
    for document in track(documents, "normalise and identify"):
        text = normalise(document.text)
        language, margin = identify(text) if text else ("other", 0.0)
        if document.lang:
            text = drop_foreign_paragraphs(text, document.lang)
        changed = replace(document, text=text, lang=document.lang or language)
        if changed.lang not in languages or (language not in ("other", changed.lang) and margin >= limits.language_score):
            removed.append(Removed(document, f"language-{language}"))
        elif language == "other" and margin >= limits.language_score:
            removed.append(Removed(document, "language-other"))
        else:
            kept.append(changed)
    return kept, removed


def _filter(documents: Sequence[Document], limits: Filters) -> Step:
    kept, removed = [], []
    for document in documents:
        reason = broken_limit(document.text, limits)
        (removed.append(Removed(document, reason)) if reason else kept.append(document))
    return kept, removed


def _facts(collected: Collected, clean: TierCorpus, dirty: TierCorpus, held: list[Document], data: Data) -> dict[str, Any]:
    tiers = [corpus for corpus in (dirty, clean) if corpus.funnel[0]["documents"]]
    return {
        "documents": {corpus.tier: dict(Counter(d.lang for d in corpus.documents)) for corpus in tiers},
        "bytes": {corpus.tier: corpus.funnel[-1]["bytes"] for corpus in tiers},
        "heldout_documents": dict(Counter(d.lang for d in held)),
        "mix": {"asked": dict(data.mix), **{corpus.tier: achieved(corpus.documents, data.mix) for corpus in tiers}},
        "funnel": {corpus.tier: corpus.funnel for corpus in tiers},
        "removed": {corpus.tier: dict(Counter(r.reason for r in corpus.removed)) for corpus in tiers},
        "quarantined": len(collected.quarantine),
        "licenses": {source.name: source.license for source in data.sources},
    }


def _write(folder: Path, collected: Collected, clean: TierCorpus, dirty: TierCorpus, held: list[Document], facts: dict[str, Any]) -> None:
    for part, documents in ((f"corpus/{clean.tier}", clean.documents), (f"corpus/{dirty.tier}", dirty.documents), ("heldout", held)):
        by_language: dict[str, list[Document]] = defaultdict(list)
        for document in documents:
            by_language[document.lang].append(document)
        for language, rows in by_language.items():
            write_rows(folder / part / f"{language}.jsonl.zst", (document.row() for document in rows))
    write_rows(folder / "removed.jsonl.zst", (removed.row() for removed in (*dirty.removed, *clean.removed)))
    write_rows(folder / "quarantine.jsonl", collected.quarantine)
    write_json(folder / "statistics.json", facts)
