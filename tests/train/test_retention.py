"""Which checkpoints are trained from: the newest that is whole, whatever Megatron's trackers say."""

import shutil
from pathlib import Path

import pytest

from kishi.checkpoints import fault, folder_of, mark_complete, whole
from recipes.schema_pretrain import Keep
from train.retention import TRACKER, TRAIN_STATE, kept, prune, repair


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
    assert whole(three) == [4, 8] and folder_of(three, 12).exists()
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
    assert repair(three / "not there") == (None, [])


@pytest.mark.parametrize(
    ("keep", "bits", "left"),
    [
        (Keep(last=2, best=False), {}, [8, 12]),
        (Keep(last=1, every=4, best=False), {}, [4, 8, 12]),
        (Keep(last=1), {}, [12]),
        (Keep(last=1), {4: 1.2, 8: 1.4, 12: 1.3}, [4, 12]),
        (Keep(last=1), {4: 1.2, 8: 1.2, 12: 1.3}, [8, 12]),  # of equals the later
        (Keep(last=1), {2: 1.0, 4: float("nan"), 8: 1.2, 12: 1.3}, [8, 12]),  # no checkpoint of the best; no number
        (Keep(last=3, best=False), {}, [4, 8, 12]),
    ],
)
def test_what_the_policy_gives_up_is_removed(three: Path, keep: Keep, bits: dict[int, float], left: list[int]) -> None:
    rows = [{"step": step, "loss": 3.0} for step in range(13)]
    rows += [{"step": step, "bits_per_byte": {"kk": value, "ru": value}} for step, value in bits.items()]
    prune(three, keep, rows, last_step=100)
    assert whole(three) == left and not list(three.glob(".*"))


def test_the_phases_last_checkpoint_always_stays() -> None:
    assert kept([4, 8, 12], Keep(last=1), {12: 1.0}, last_step=4) == {4, 12}


def test_what_is_still_being_written_neither_counts_nor_goes(three: Path) -> None:
    folder_of(three, 16).mkdir()
    prune(three, Keep(last=1, best=False), [], last_step=100)
    assert whole(three) == [12] and folder_of(three, 16).is_dir()


def test_a_kill_while_one_is_removed_leaves_nothing_after_the_next_start(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(folder: Path, **_: object) -> None:
        next(folder.glob("*.distcp")).unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            prune(three, Keep(last=2, best=False), [], last_step=100)
    assert whole(three) == [8, 12] and list(three.glob(".removed-*"))
    assert repair(three) == (12, []) and not list(three.glob(".*"))
