"""`slurm/chain.sh` and `slurm/train.sbatch`, submitted to a real Slurm: cancelled, warned, requeued, on two nodes, with data arrays."""

import subprocess
from pathlib import Path

import pytest

from kishi import manifest
from kishi.jsonl import read_rows
from tests.slurm.cluster import Cluster, wait_for
from tests.train import tiny_run

pytestmark = pytest.mark.slow

STEPS = 8
SETTINGS = {**tiny_run.SETTINGS, "pretrain.phases.0.steps": STEPS, "pretrain.checkpoint_every": 50, "pretrain.evaluate_every": 50}
TWO_NODES = "{device: cpu, nodes: 2, micro_batch_size: 4, precision: fp32, attention: sdpa, threads: 1}"
ARRAYS = '{device: cpu, micro_batch_size: 4, precision: fp32, slurm: {partition: main, time: "00:05:00", array_limit: 2, memory_gb: 1}}'


class Chain:
    """A folder of runs, and the settings of the cluster."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster, self.folder, self.runs = cluster, folder, folder / "runs"
        (folder / "two.yaml").write_text(TWO_NODES)
        (folder / "arrays.yaml").write_text(ARRAYS)

    def submit(self, *stages: str, cpu_overlay: str = "cpu", **more: str) -> list[str]:
        """Job numbers, in the order of the stages."""
        settings = {
            "RECIPE": "recipes/kishi-tiny.yaml",
            "COMMON": "--time=10 --mem=500",
            "OVERLAY": f"{self.folder}/two.yaml",
            "PRETRAIN": "--cpus-per-task=1",
            "CPU_OVERLAY": cpu_overlay,
            "CPU": "--cpus-per-task=1",
            "KISHI_RUNS": str(self.runs),
            "ARGS": " ".join(f"--set {key}={value}" for key, value in SETTINGS.items()),
            **more,
        }
        file = self.folder / "cluster.env"
        file.write_text("".join(f'{key}="{value}"\n' for key, value in settings.items()))
        environment = {**self.cluster.environment, "CLUSTER": str(file), "KISHI_RUNS": str(self.runs), "ARGS": settings["ARGS"]}
        done = subprocess.run(["slurm/chain.sh", *stages], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        numbers = [line.split()[0] for line in done.stdout.splitlines()[: len(stages)]]
        assert f"squeue --jobs={','.join(numbers)}" in done.stdout
        return numbers

    def log(self, stage: str, number: str) -> str:
        return (self.runs / "slurm" / f"kishi-{stage}-{number}.log").read_text()

    def finish(self, stage: str, number: str) -> dict[str, str]:
        """The job, when it has completed."""
        job = self.cluster.wait(number, {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"}, 300)
        assert job["JobState"] == "COMPLETED", self.log(stage, number)[-3000:]
        return job


@pytest.fixture(scope="module")
def chain(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return Chain(cluster, tmp_path_factory.mktemp("chain"))


def test_a_cancelled_job_stops_its_stage_and_stays_out_of_the_queue(chain: Chain) -> None:
    data, tokenizer = chain.submit("data", "tokenizer", KISHI_SRUN="--kill-on-bad-exit=1")  # through srun, as in a container
    assert chain.cluster.job(tokenizer)["Dependency"].startswith(f"afterok:{data}")
    wait_for(lambda: any(chain.runs.glob("kishi-tiny/data.partial/.work/*")), 60, "the stage did not begin")
    chain.cluster.run("scancel", data)
    assert chain.cluster.wait(data, {"CANCELLED"}, 40)["Restarts"] == "0"
    assert "goes on from here" in chain.log("data", data) and "ended with 75 after TERM" in chain.log("data", data)
    chain.cluster.wait(tokenizer, {"CANCELLED"}, 40)  # it would wait for ever


def test_the_chain_goes_on_after_a_warning_with_every_step_once(chain: Chain) -> None:
    first = chain.submit("data", "tokenizer")
    for stage, number in zip(("data", "tokenizer"), first, strict=True):
        chain.finish(stage, number)
    index, phase1 = chain.submit("index", "pretrain-phase1", cpu_overlay=f"{chain.folder}/arrays.yaml")
    chain.finish("index", index)
    logs = chain.runs / "kishi-tiny" / "index" / ".work" / "logs" / "index"
    assert len(list((logs / "slurm_logs").glob("*.out"))) >= 2 and "--array=0-1" in (logs / "launch_script.slurm").read_text()

    ended = {"COMPLETED", "FAILED"}
    wait_for(lambda: tiny_run.last_step(chain.runs, 1) > 0 or chain.cluster.job(phase1)["JobState"] in ended, 200, "training did not begin")
    chain.cluster.run("scancel", "--batch", "--signal=USR1", phase1)  # what --signal=B:USR1@300 sends before the time limit
    job = chain.finish("pretrain-phase1", phase1)
    log = chain.log("pretrain-phase1", phase1)
    assert job["Restarts"] == "1" and "back in the queue" in log and "start number 2" in log and job["NumNodes"] == "2"
    assert f"of {STEPS} steps are saved" in log and "micro-batch 4 x 2" in log
    assert [row["step"] for row in tiny_run.metrics(chain.runs, 1) if "loss" in row] == list(range(1, STEPS + 1))
    assert {row["phase"] for row in read_rows(chain.runs / "kishi-tiny/pretrain-phase1/metrics.jsonl")} == {1}
    assert manifest.verify(chain.runs / "kishi-tiny" / "pretrain-phase1").facts["steps"] == STEPS


def test_chain_says_what_is_missing(tmp_path: Path) -> None:
    done = subprocess.run(
        ["slurm/chain.sh"], env={"PATH": "/usr/bin:/bin", "CLUSTER": str(tmp_path / "no.env")}, capture_output=True, text=True
    )
    assert done.returncode == 1 and "cp slurm/cluster.example.env" in done.stderr
