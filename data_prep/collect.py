"""The first step: rows of a source become documents. A bad line goes to the quarantine with its reason and place."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.base import PipelineStep

from data_prep.evidence import Evidence
from data_prep.reading import rows
from data_prep.sources import Unit
from kishi.jsonl import RowWriter
from kishi.rows import Rejected


class Collect(PipelineStep):  # type: ignore[misc]
    """Task n reads unit n. Writes `quarantine/<rank>.jsonl` beside its counts."""

    type, name = "data_prep", "collect"

    def __init__(self, work: Path, units: list[Unit]) -> None:
        super().__init__()
        self.work, self.units = work, units

    def run(self, data: None = None, rank: int = 0, world_size: int = 1) -> Iterator[Document]:
        """datatrove's interface."""
        unit, evidence = self.units[rank], Evidence(self.work / self.name / f"{rank:05d}")
        with RowWriter(self.work / "quarantine" / f"{rank:05d}.jsonl") as quarantine:
            for item in rows(unit):
                document = item if isinstance(item, Rejected) else document_of(unit, *item)
                if isinstance(document, Rejected):
                    quarantine.write(document.row(unit.source.name))
                    continue
                evidence.keep(document)
                yield document
        evidence.close()


def document_of(unit: Unit, file: str, number: int, row: Any) -> Document | Rejected:
    """The row as a document, or why it cannot be one."""
    source = unit.source
    if reason := _fault(row, source.text_key, source.id_key, licensed=bool(source.license)):
        return Rejected(file, number, reason, json.dumps(row, default=str).encode())
    text, title = row[source.text_key], row.get("title")
    name = str(row.get(source.id_key) or f"{source.name}-{file.split('.')[0]}-{number}")
    tier = source.tier or row.get("tier")
    if tier not in ("clean", "dirty"):
        return Rejected(file, number, f"tier {tier!r} is neither clean nor dirty", name.encode())
    metadata: dict[str, Any] = {
        "lang": source.language or str(row.get("lang") or ""),
        "source": str(row.get("source") or source.name) if source.license is None else source.name,
        "license": source.license or str(row["license"]),
        "tier": tier,
        "domain": str(row.get("domain") or row.get("source") or source.name),
        "origin": source.name,
        "group": str(row.get("group") or name),
        "faults": [],
    }
    whole = f"{title}\n\n{text}" if isinstance(title, str) and title.strip() else text
    return Document(text=whole, id=name, metadata=metadata)


def _fault(row: Any, text_key: str, id_key: str, licensed: bool) -> str | None:
    if not isinstance(row, dict):
        return "not a JSON object"
    text = row.get(text_key)
    if not isinstance(text, str) or not text.strip():
        return "no text" if text_key in row else f"no key {text_key}"
    if not licensed and not row.get("license"):
        return "no license"
    keys = (text_key, "title", id_key, "group", "lang", "source", "domain", "license")
    broken = next((key for key in keys if _has_surrogate(row.get(key))), None)
    return f"lone surrogate in {broken}" if broken else None


def _has_surrogate(value: Any) -> bool:
    """Half a UTF-16 pair: JSON can escape one, UTF-8 cannot hold it."""
    try:
        str(value).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
