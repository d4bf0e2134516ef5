"""Counts of what is written and of what went: the datasheet's numbers."""

from collections import Counter, defaultdict
from typing import Any

from posttrain.data.example import Example, texts_of
from posttrain.data.selection import MORE
from posttrain.data.split import KINDS


class Statistics:
    """Filled while the files are written."""

    def __init__(self) -> None:
        self.trained: Counter[str] = Counter()
        self.removed: Counter[str] = Counter()
        self._counts: dict[str, dict[str, Counter[str]]] = {kind: defaultdict(Counter) for kind in KINDS}
        self._sources: dict[str, Counter[str]] = defaultdict(Counter)
        self._licenses: dict[str, Counter[str]] = defaultdict(Counter)
        self._lengths: dict[str, int] = Counter()

    def add(self, example: Example, side: str, times: int) -> None:
        """One example, written `times` (0: left out by its source's weight)."""
        kind, counts, source = example["kind"], self._counts[example["kind"]], self._sources[example["source"]]
        self._licenses[example["source"]][example["license"]] += 1
        source["made" if "made" in example else "kept"] += 1
        if not times:
            counts["all"]["left out by weight"] += 1
            return
        counts["all"][side] += 1
        counts[f"languages {side}"][example["lang"]] += 1
        counts["tasks"][example["task"]] += 1
        counts["characters"][side] += sum(map(len, texts_of(example)))
        if side == "train":
            self.trained[kind] += times
            counts["all"]["train rows"] += times
        if kind == "preference":
            self._pair(counts, example)

    def _pair(self, counts: dict[str, Counter[str]], example: Example) -> None:
        counts["why"][example.get("why", "not told")] += 1
        sizes = [sum(len(turn["content"]) for turn in example[side]) for side in ("chosen", "rejected")]
        counts["lengths"]["matched"] += example["length_matched"]
        counts["lengths"]["chosen longer"] += not example["length_matched"] and sizes[0] > sizes[1]
        counts["lengths"]["rejected longer"] += not example["length_matched"] and sizes[0] < sizes[1]

    def refuse(self, source: str, reason: str) -> None:
        """A row that could not be used."""
        self._went(source, "refused", reason)

    def remove(self, source: str, reason: str) -> None:
        """A good example that is not wanted."""
        self._went(source, "removed", reason)

    def _went(self, source: str, how: str, reason: str) -> None:
        self._sources[source][how] += 1
        self.removed[reason.partition(":")[0]] += 1

    def facts(self) -> dict[str, Any]:
        """For the manifest."""
        kinds = {kind: {key: dict(sorted(count.items())) for key, count in sorted(self._counts[kind].items())} for kind in KINDS}
        examples = {kind: found.pop("all", {}) for kind, found in kinds.items()}
        went = sum(count for reason, count in self.removed.items() if reason != MORE)
        return {
            "examples": examples,
            "kinds": kinds,
            "sources": {name: dict(sorted(counts.items())) for name, counts in sorted(self._sources.items())},
            "licenses": {name: dict(counts.most_common()) for name, counts in sorted(self._licenses.items())},
            "removed": dict(self.removed.most_common()),
            "warnings": [f"{went} rows left out (quarantine.jsonl, removed.jsonl.zst)"] if went else [],
        }
