"""A disk that is really full: a small tmpfs in a mount namespace of its own, filled up to some kilobytes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NAMESPACE = ["unshare", "--map-root-user", "--mount"]
RUN = f"{sys.executable} -m recipes.run recipes/kishi-tiny.yaml"
SCRIPT = """
set -e
mount -t tmpfs -o size=64m tmpfs {disk}
cp -r {before}/. {disk}
dd if=/dev/zero of={disk}/filler bs=1k count=$(( $(df -k --output=avail {disk} | tail -n 1) - {left} )) status=none
{run} {stage} >&2 && exit 98 || code=$?
rm {disk}/filler
ls -a {disk}/kishi-tiny
{run} {stage} >&2
cp {disk}/kishi-tiny/{stage}/manifest.json {after}
exit $code
"""


def _can_mount(folder: Path) -> bool:
    command = [*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _hashes(manifest: Path) -> dict[str, str]:
    return {output["path"]: output["sha256"] for output in json.loads(manifest.read_text())["outputs"]}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of the first stages on a disk with room."""
    folder = tmp_path_factory.mktemp("undisturbed")
    for stage in ("data", "tokenizer"):
        subprocess.run(f"{RUN} {stage}", shell=True, env={**os.environ, "KISHI_RUNS": str(folder)}, capture_output=True, check=True)
    return folder


@pytest.mark.parametrize(("stage", "kilobytes_left"), [("data", 300), ("tokenizer", 40)])
def test_a_full_disk_is_said_and_nothing_half_written_is_taken(tmp_path: Path, finished: Path, stage: str, kilobytes_left: int) -> None:
    disk, before, after = tmp_path / "disk", tmp_path / "before", tmp_path / "after.json"
    disk.mkdir()
    if not _can_mount(disk):
        pytest.skip("this system lets nobody mount a tmpfs in a namespace")
    before.mkdir()
    if stage != "data":
        subprocess.run(["cp", "-r", "--parents", "kishi-tiny/data", str(before)], cwd=finished, check=True)
    script = SCRIPT.format(disk=disk, before=before, left=kilobytes_left, run=RUN, stage=stage, after=after)
    environment = {**os.environ, "KISHI_RUNS": str(disk)}
    done = subprocess.run([*NAMESPACE, "sh", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "No space left on device" in done.stderr and "free some space" in done.stderr and "Traceback" not in done.stderr
    assert f"{stage}.partial" in done.stdout.split() and stage not in done.stdout.split()
    assert _hashes(after) == _hashes(finished / "kishi-tiny" / stage / "manifest.json")
