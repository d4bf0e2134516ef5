"""The counts that the steps left, summed over tasks."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kishi.languages import Language


class Statistics:
    """Counts of each step, by tier, language and source."""

    def __init__(self, work: Path, ranks: int) -> None:
        self._work, self._ranks = work, ranks
        self._read: dict[str, list[dict[str, Any]]] = {}

    def _of(self, step: str) -> list[dict[str, Any]]:
        if step not in self._read:
            files = [self._work / step / f"{rank:05d}.json" for rank in range(self._ranks)]
            self._read[step] = [json.loads(path.read_bytes()) for path in files]
        return self._read[step]

    def _kept(self, step: str) -> Iterator[tuple[str, str, str, dict[str, int]]]:
        for counts in self._of(step):
            for key, values in counts["kept"].items():
                tier, language, source = key.split("|", 2)
                yield tier, language, source, values

    def documents(self, step: str, ranks: Sequence[int]) -> int:
        """How many documents the step let through in these shards."""
        return sum(values["documents"] for rank in ranks for values in self._of(step)[rank]["kept"].values())

    def tiers(self, step: str) -> set[str]:
        """Tiers with a document after the step."""
        return {tier for tier, _, _, _ in self._kept(step)}

    def by_language(self, step: str) -> dict[str, dict[str, dict[str, int]]]:
        """tier -> "documents" | "bytes" -> language -> count, after the step."""
        result: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: {"documents": Counter(), "bytes": Counter()})
        for tier, language, _, values in self._kept(step):
            for name, value in values.items():
                result[tier][name][language] += value
        return {tier: {name: dict(sorted(counts.items())) for name, counts in names.items()} for tier, names in result.items()}

    def by_source(self, steps: Sequence[str]) -> list[dict[str, Any]]:
        """One row a source and language: documents and bytes after each step, both tiers together."""
        result: dict[tuple[str, str], dict[str, Counter[str]]] = defaultdict(lambda: {step: Counter() for step in steps})
        for step in steps:
            for _, language, source, values in self._kept(step):
                result[source, language][step].update(values)
        return [
            {"source": source, "lang": language, **{step: dict(counts) for step, counts in by_step.items()}}
            for (source, language), by_step in sorted(result.items())
        ]

    def removed(self, tier: str, unit: str) -> dict[str, int]:
        """reason -> documents or lines, of all steps."""
        total = Counter[str]()
        for folder in sorted(path for path in self._work.iterdir() if (path / "00000.json").is_file()):
            for counts in self._of(folder.name):
                for key, values in counts["removed"].items():
                    if key.startswith(f"{tier}|") and values[unit]:
                        total[key.rsplit("|", 1)[1]] += values[unit]
        return dict(total.most_common())

    def removed_by_language(self, tier: str) -> dict[str, dict[str, int]]:
        """language -> reason -> documents, of all steps."""
        result: dict[str, Counter[str]] = defaultdict(Counter)
        for folder in sorted(path for path in self._work.iterdir() if (path / "00000.json").is_file()):
            for counts in self._of(folder.name):
                for key, values in counts["removed"].items():
                    of_tier, language, _ = key.split("|", 2)
                    if of_tier == tier and values["documents"]:
                        result[language][key.rsplit("|", 1)[1]] += values["documents"]
        return {language: dict(counts.most_common()) for language, counts in sorted(result.items())}

    def note(self, step: str, name: str) -> Any:
        """A note that all tasks share."""
        return self._of(step)[0]["notes"].get(name)

    def notes(self, step: str, name: str) -> dict[str, int]:
        """Counters of all tasks, summed."""
        total = Counter[str]()
        for counts in self._of(step):
            total.update(counts["notes"].get(name, {}))
        return dict(total.most_common())


def mix_shares(sizes: Mapping[str, int], asked: Mapping[Language, float]) -> dict[Language, float]:
    """Share of each language by bytes."""
    total = max(1, sum(sizes.values()))
    return {language: round(sizes.get(language, 0) / total, 4) for language in asked}
