"""Artefact folders: complete, damaged, interrupted."""

from pathlib import Path

import pytest

from kishi import manifest
from kishi.errors import ArtefactError
from kishi.manifest import Manifest
from kishi.stage_folder import StageFolder


def _manifest(folder: Path) -> Manifest:
    return Manifest(
        schema_version=1, kind="data", command="x", recipe={}, recipe_sha256="", fingerprint="f", code={}, environment={}, seeds={},
        inputs={}, outputs=manifest.list_outputs(folder), facts={}, started="", seconds=0,
    )  # fmt: skip


def _finish(place: StageFolder, text: str) -> None:
    place.begin("f")
    (place.partial / "a.txt").write_text(text)
    (place.partial / ".note").write_text("not an output")
    manifest.write(place.partial, _manifest(place.partial))


def test_a_promoted_folder_verifies(tmp_path: Path) -> None:
    place = StageFolder(tmp_path / "data")
    _finish(place, "one")
    place.promote()
    found = manifest.verify(place.final)
    assert [output.path for output in found.outputs] == ["a.txt"]
    assert not place.partial.exists()


@pytest.mark.parametrize("damage", ["one more byte", "xne", None])
def test_damage_is_named(tmp_path: Path, damage: str | None) -> None:
    place = StageFolder(tmp_path / "data")
    _finish(place, "one")
    place.promote()
    path = place.final / "a.txt"
    path.unlink() if damage is None else path.write_text(damage)
    with pytest.raises(ArtefactError, match=r"a\.txt"):
        manifest.verify(place.final)


def test_folder_without_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="has not finished"):
        manifest.verify(tmp_path)


def test_truncated_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"kind": "da')
    with pytest.raises(ArtefactError, match="not a valid manifest"):
        manifest.verify(tmp_path)


def test_work_of_an_interrupted_attempt_is_kept_only_for_the_same_fingerprint(tmp_path: Path) -> None:
    place = StageFolder(tmp_path / "data")
    assert not place.begin("f")
    (place.partial / "shard").write_text("done")
    assert place.begin("f") and (place.partial / "shard").exists()
    assert not place.begin("g") and not (place.partial / "shard").exists()


def test_a_kill_between_the_two_renames_is_mended(tmp_path: Path) -> None:
    place = StageFolder(tmp_path / "data")
    _finish(place, "old")
    place.promote()
    _finish(place, "new")
    place.final.rename(tmp_path / "data.replaced")  # killed here
    place.recover()
    assert (place.final / "a.txt").read_text() == "new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data"]


def test_content_identity_ignores_times_but_not_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = _manifest(tmp_path)
    assert first.model_copy(update={"started": "later", "seconds": 9.0}).content_sha256 == first.content_sha256
    (tmp_path / "a").write_text("2")
    assert _manifest(tmp_path).content_sha256 != first.content_sha256
