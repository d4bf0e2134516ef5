"""Stages before pretraining, and one undisturbed run that the others are compared with; made once."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.train import tiny_run


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, tokenizer and index of the sample text."""
    runs = tmp_path_factory.mktemp("prepared")
    for stage in ("data", "tokenizer", "index"):
        done = tiny_run.run(runs, stage)
        assert done.returncode == 0, done.stderr
    return runs


@pytest.fixture(scope="session")
def undisturbed(prepared: Path) -> Path:
    """Both phases, never interrupted."""
    done = tiny_run.run(prepared, "pretrain")
    assert done.returncode == 0, done.stderr
    return prepared


@pytest.fixture
def copy_of(prepared: Path, tmp_path: Path) -> Callable[..., Path]:
    """Runs folder with copies of the named stages."""

    def copied(*stages: str) -> Path:
        for stage in stages:
            shutil.copytree(prepared / "kishi-tiny" / stage, tmp_path / "kishi-tiny" / stage)
        return tmp_path

    return copied
