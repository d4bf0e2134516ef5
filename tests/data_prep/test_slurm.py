"""The same pipeline as Slurm arrays. No Slurm here: an `sbatch` on PATH stands in for it.

It keeps each script it is given and runs the array's tasks at once, one after the other, as Slurm would: in a shell, with the array's
variables. So the scripts of all steps are run; tests/slurm submits one step to a real Slurm.
"""

import hashlib
import os
import stat
import sys
from pathlib import Path

import pytest

from data_prep.prepare import run
from kishi.errors import DataError
from recipes.hardware import Slurm
from recipes.job import Job
from tests.data_prep.documents import job

pytestmark = pytest.mark.slow

_SHARDS = "data.shard_megabytes=0.3"
_SBATCH = """#!/bin/bash
count=$(ls "$RECORD" | wc -l); script="${@: -1}"; number=$((count + 1))
{ echo "## $@"; cat "$script"; } > "$RECORD/$(printf %02d $number).slurm"
echo "Submitted batch job $number"
last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' "$script")
grep -q merge_stats "$script" && exit 0
[ -n "$FAIL" ] && exit 0
for task in $(seq 0 "$last"); do
  SLURM_ARRAY_TASK_ID=$task SLURM_NODELIST=localhost RUN_OFFSET=0 bash "$script" >> "$RECORD.log" 2>&1 || exit 1
done
"""
_TOOLS = {
    "sbatch": _SBATCH,
    "srun": '#!/bin/bash\nwhile [[ "$1" == -* ]]; do [ "$1" = -n ] && shift; shift; done\nexec "$@"\n',
    "scontrol": "#!/bin/bash\necho localhost\n",
    "squeue": "#!/bin/bash\nexit 0\n",  # an empty queue: there is nothing to cancel
}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with the stand-ins; returns the folder of the scripts that were submitted."""
    for name, text in _TOOLS.items():
        (path := tmp_path / "bin" / name).parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    (record := tmp_path / "scripts").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("RECORD", str(record))
    return record


def _on_slurm(folder: Path) -> Job:
    made = job(folder, _SHARDS)
    slurm = Slurm(partition="long", array_limit=2, memory_gb=6, account="kishi", environment="export CHOSEN=1")
    return Job(made.recipe, made.hardware.model_copy(update={"slurm": slurm}), made.folder, {})


def _hashes(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*.*")) if p.is_file()}


def test_the_scripts_run_and_give_the_same_bytes(cluster: Path, tmp_path: Path) -> None:
    run(_on_slurm(tmp_path / "slurm"))
    run(job(tmp_path / "local", _SHARDS))
    assert _hashes(tmp_path / "slurm") == _hashes(tmp_path / "local")
    scripts = [path.read_text() for path in sorted(cluster.iterdir())]
    arrays = [text for text in scripts if "launch_pickled_pipeline" in text]
    assert len(arrays) == 9  # a job a step
    for text in arrays:
        for line in ("--partition=long", "--account=kishi", "--mem-per-cpu=6G", "--cpus-per-task=1", "--requeue"):
            assert f"#SBATCH {line}\n" in text
        assert "export CHOSEN=1" in text and f"cd {Path.cwd()}" in text
    assert "--array=0-1\n" in arrays[1] and "--array=0-0\n" in arrays[3]  # twenty buckets by two jobs; one task
    assert all("--dependency=afterok:" in text.splitlines()[0] for text in arrays[1:]) and "dependency" not in arrays[0].splitlines()[0]


def test_a_job_that_ends_without_its_tasks_is_an_error(cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIL", "1")
    monkeypatch.setattr("data_prep.executor._QUEUE_SECONDS", 0.1)
    with pytest.raises(DataError, match="the Slurm job of clean ended before all its tasks"):
        run(_on_slurm(tmp_path / "slurm"))
