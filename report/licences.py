"""Which licences a model rests on, from the manifests of all stages that it was made from."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from report.lineage import Lineage
from report.view import table_of

# Identifiers that say clearly what may be done (SPDX, in small letters, and the public domain in words). Anything else is doubtful: someone
# has to look at it.
_KNOWN = re.compile(
    r"(apache-2\.0|mit|bsd-[23]-clause|isc|unlicense|0bsd|zlib|cc0-1\.0|cc-pddc|pddl-1\.0|odc-by-1\.0|odbl-1\.0"
    r"|cc-by(-nc)?(-sa|-nd)?-[234]\.\d|gfdl-1\.[123](-only|-or-later)?|[al]?gpl-[23]\.[01](-only|-or-later)?|mpl-2\.0|epl-2\.0|eupl-1\.2"
    r"|cdla-permissive-[12]\.0|openrail|bigscience-openrail-m|llama[23](\.\d)?|gemma|public[ -]domain)"
)


@dataclass(frozen=True)
class Licence:
    """Of one thing that went into a model. `hub` is a data set's or model's id where it came from the hub."""

    what: str
    name: str
    licence: str
    hub: str = ""

    @property
    def known(self) -> bool:
        """Every part of a statement like `CC-BY-SA-3.0 AND GFDL-1.3` is a licence that is known."""
        parts = re.split(r"\s+(?:and|or|with)\s+|[,;/]\s*", self.licence.strip().lower())
        return bool(self.licence.strip()) and all(_KNOWN.fullmatch(part.strip("() ")) for part in parts)

    @property
    def non_commercial(self) -> bool:
        """It forbids commercial use."""
        return "-nc" in self.licence.lower()


def licences(run: Lineage, stages: Sequence[str]) -> list[Licence]:
    """A row for each source of text, base model and set of chat examples of these stages; an empty licence where none is recorded."""
    found: list[Licence] = []
    for stage in stages:
        made = run.manifests[stage]
        base = table_of(made.recipe.get("base"))
        if base:
            found.append(
                Licence("base model", str(base.get("hub") or base.get("path")), _words(base.get("license")), str(base.get("hub") or ""))
            )
        section = {"data": "data", "chat-data": "chat"}.get(stage)
        sources = table_of(made.recipe.get(section)).get("sources") if section else None
        hubs = {str(row.get("name")): str(table_of(row.get("hub")).get("dataset") or "") for row in sources or () if isinstance(row, dict)}
        recorded = table_of(made.facts.get("licenses"))
        for name in dict.fromkeys([*hubs, *recorded]):
            found.append(Licence("text" if stage == "data" else stage, name, _words(recorded.get(name)), hubs.get(name, "")))
        if not recorded and ("license" in made.facts or "path" in table_of(made.recipe.get(stage))):
            found.append(Licence(stage, str(table_of(made.recipe.get(stage)).get("path", "examples")), _words(made.facts.get("license"))))
    return list(dict.fromkeys(found))


def _words(value: Any) -> str:
    if isinstance(value, list | tuple | set):
        return ", ".join(map(str, value))
    return ", ".join(value) if isinstance(value, dict) else str(value or "")
