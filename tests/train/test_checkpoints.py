"""Which checkpoints are trained from: the newest that is whole, whatever Megatron's trackers say."""

from pathlib import Path

import pytest

from train.checkpoints import TRACKER, TRAIN_STATE, fault, folder_of, mark_complete, newest_whole, repair


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """Folders with the files that Megatron writes."""
    for step in (4, 8, 12):
        folder = folder_of(tmp_path, step)
        folder.mkdir()
        for name in (".metadata", "__0_0.distcp", "metadata.json", "run_config.yaml", "train_state.pt"):
            (folder / name).write_bytes(f"{name} {step}".encode())
        mark_complete(folder)
    (tmp_path / TRACKER).write_text("12")
    (tmp_path / TRAIN_STATE).write_bytes(b"train_state.pt 12")
    return tmp_path


def test_whole_checkpoints_stay_and_the_newest_is_taken(three: Path) -> None:
    assert repair(three) == (12, [])
    assert len(list(three.glob("iter_*"))) == 3 and (three / TRACKER).read_text() == "12"


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("complete.json", None, "was cut off while it was written"),
        ("__0_0.distcp", None, "__0_0.distcp is missing"),
        (".metadata", None, ".metadata is missing"),
        ("__0_0.distcp", b"cut", "__0_0.distcp has 3 bytes, not 15"),
        ("complete.json", b'{"fil', "complete.json cannot be read"),
    ],
)
def test_what_is_not_whole_is_named_removed_and_never_pointed_at(three: Path, name: str, content: bytes | None, why: str) -> None:
    path = folder_of(three, 12) / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    assert fault(folder_of(three, 12)) == why
    assert newest_whole(three) == 8 and folder_of(three, 12).exists()
    assert repair(three) == (8, [f"iter_0000012 {why}"])
    assert (three / TRACKER).read_text() == "8" and (three / TRAIN_STATE).read_bytes() == b"train_state.pt 8"
    assert not folder_of(three, 12).exists()


@pytest.mark.parametrize("content", ["", "x", None])
def test_broken_trackers_are_written_anew(three: Path, content: str | None) -> None:
    (three / TRAIN_STATE).write_bytes(b"")
    (three / TRACKER).unlink()
    if content is not None:
        (three / TRACKER).write_text(content)
    assert repair(three) == (12, [])
    assert (three / TRACKER).read_text() == "12" and (three / TRAIN_STATE).read_bytes() == b"train_state.pt 12"


def test_none_whole_means_from_the_start(three: Path) -> None:
    for step in (4, 8, 12):
        (folder_of(three, step) / "complete.json").unlink()
    step, removed = repair(three)
    assert step is None and len(removed) == 3 and not list(three.iterdir())
    assert repair(three / "not there") == (None, []) and newest_whole(three / "not there") is None
