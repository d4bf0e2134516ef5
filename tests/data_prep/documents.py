"""Documents and jobs for the tests of this folder."""

from pathlib import Path

from datatrove.data import Document

from data_prep.evidence import Evidence
from recipes.job import Job
from recipes.loading import load_hardware, load_recipe


def document(name: str, text: str, lang: str = "en", tier: str = "clean", group: str = "") -> Document:
    metadata = {
        "lang": lang,
        "source": "s",
        "license": "x",
        "tier": tier,
        "domain": "d",
        "origin": "s",
        "group": group or name,
        "faults": [],
    }
    return Document(text=text, id=name, metadata=metadata)


def evidence(folder: Path) -> Evidence:
    return Evidence(folder / "step" / "00000")


def job(folder: Path, *overrides: str, recipe: str = "kishi-tiny", **inputs: Path) -> Job:
    folder.mkdir(parents=True, exist_ok=True)
    return Job(load_recipe(Path(f"recipes/{recipe}.yaml"), overrides), load_hardware("cpu"), folder, inputs)
