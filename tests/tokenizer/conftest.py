"""The sample corpus as the data stage would leave it, and a tokenizer of the demo's size trained on it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kishi.jsonl import read_rows, write_rows
from recipes.hardware import Hardware
from recipes.job import Job
from recipes.loading import load_recipe
from tokenizer.train import run

HARDWARE = Hardware(device="cpu", threads=1, micro_batch_size=1, precision="fp32")
Train = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    documents = [row for path in sorted(Path("data/sample/corpus").glob("*.jsonl")) for row in read_rows(path)]
    for language in ("kk", "ru", "en"):
        rows = [{**row, "source": "sample"} for row in documents if row["lang"] == language]
        write_rows(folder / "corpus/clean" / f"{language}.jsonl.zst", rows[5:])
        write_rows(folder / "heldout" / f"{language}.jsonl.zst", rows[:5])
    return folder


@pytest.fixture(scope="session")
def train(data: Path) -> Train:
    def make(folder: Path, **changes: Any) -> dict[str, Any]:
        recipe = load_recipe(Path("recipes/kishi-tiny.yaml"))
        recipe = recipe.model_copy(update={"tokenizer": recipe.tokenizer.model_copy(update=changes)})
        folder.mkdir()
        return run(Job(recipe, HARDWARE, folder, {"data": data}))

    return make


@pytest.fixture(scope="session")
def trained(train: Train, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer") / "out"
    assert train(folder)["vocab_size"] == 2048
    return folder
