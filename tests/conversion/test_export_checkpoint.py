"""Which checkpoint is exported, and that training may remove it meanwhile; a real export is in tests/train/test_export_killed.py."""

import shutil
from pathlib import Path

import pytest

from conversion.export_checkpoint import _link, find, main
from kishi.checkpoints import fault, folder_of, mark_complete
from kishi.errors import ArtefactError


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Phase 1 finished at step 12; phase 2 is training and is just writing step 20."""
    for stage, steps in (("pretrain-phase1", (8, 12)), ("pretrain-phase2.partial", (16, 20))):
        for step in steps:
            folder = folder_of(tmp_path / stage / "checkpoints", step)
            folder.mkdir(parents=True)
            (folder / "__0_0.distcp").write_bytes(f"weights {step}".encode())
            if step != 20:
                mark_complete(folder)
    return tmp_path


@pytest.mark.parametrize(
    ("phase", "step", "expected"),
    [(None, None, (2, 16)), (1, None, (1, 12)), (None, 8, (1, 8)), (1, 8, (1, 8)), (2, 16, (2, 16))],
)
def test_the_newest_whole_one_or_what_was_asked_for(run: Path, phase: int | None, step: int | None, expected: tuple[int, int]) -> None:
    number, found, folder = find(run, phase, step)
    assert (number, found) == expected and (folder / "__0_0.distcp").read_text() == f"weights {found}"


@pytest.mark.parametrize(("phase", "step"), [(None, 20), (1, 16), (2, 8)])
def test_what_is_not_there_or_not_whole_is_refused(run: Path, phase: int | None, step: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ArtefactError, match="no such whole checkpoint; there is: phase"):
        find(run, phase, step)
    assert main([str(run), "--step", "20"]) == 1 and "phase 1 step 8, phase 1 step 12, phase 2 step 16" in capsys.readouterr().err


def test_a_damaged_one_is_passed_over(run: Path) -> None:
    (folder_of(run / "pretrain-phase2.partial" / "checkpoints", 16) / "__0_0.distcp").write_bytes(b"cut")
    assert find(run, None, None)[:2] == (1, 12)


def test_training_may_remove_it_meanwhile(run: Path) -> None:
    checkpoint, links = find(run, None, None)[2], run / "links"
    _link(checkpoint, links)
    shutil.rmtree(checkpoint)
    assert fault(links) is None and (links / "__0_0.distcp").read_text() == "weights 16"
    with pytest.raises(ArtefactError, match="was removed just now"):
        _link(checkpoint, links)
