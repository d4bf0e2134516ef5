"""`requirements/doctor.py` as a process, on machines made up by PATH and an interpreter that lacks what it should."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Imports of what a line of LACKS names fail, as Python's own would
INTERPRETER = """#!/bin/sh
for name in $LACKS; do
  case "$2" in *"$name"*) echo "ModuleNotFoundError: No module named '$name'" >&2; exit 1 ;; esac
done
"""


class Machine:
    """Programs are scripts in `bin/`; the environment is `venv/`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program("venv/bin/python", INTERPRETER)
        self.program("bin/c++", "#!/bin/sh\n")

    def program(self, place: str, text: str) -> None:
        path = self.folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def doctor(self, lacks: str = "", **environment: str) -> tuple[int, dict[str, str]]:
        """Exit code, and for what is missing the rest of its line."""
        known = {"PATH": str(self.folder / "bin"), "KISHI_VENV": str(self.folder / "venv"), "LACKS": lacks}
        done = subprocess.run(
            [sys.executable, "requirements/doctor.py"], env={**known, **environment}, capture_output=True, text=True, check=False
        )
        assert not done.stderr
        self.text = done.stdout
        rows = [line.split(maxsplit=1)[1] for line in done.stdout.splitlines() if line.startswith("  missing")]
        return done.returncode, {row.partition("  ->  ")[0]: row.partition("  ->  ")[2] for row in rows}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


enough = pytest.mark.skipif(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") < 6e9, reason="less memory than the demo needs")


@enough
def test_a_laptop_can_run_the_demo_and_is_told_about_the_rest(machine: Machine) -> None:
    code, missing = machine.doctor(lacks="transformer_engine amp_C")
    assert code == 0 and "ok       CPU demo" in machine.text
    assert "nvidia-smi" in missing["one GPU"] and "Dockerfile" in missing["Transformer Engine"] and "slower" in missing["apex"]
    assert "login node" in missing["Slurm (sbatch)"] and "CONTAINER" in missing["containers in Slurm jobs (pyxis)"]


@pytest.mark.parametrize(
    ("lacks", "group"), [("pydantic", "core"), ("torch", "torch"), ("megatron-bridge", "bridge"), ("trl", "posttrain"), ("lm_eval", "eval")]
)
def test_a_missing_package_is_named_with_its_group_and_fix(machine: Machine, lacks: str, group: str) -> None:
    code, missing = machine.doctor(lacks=lacks)
    assert code == 1 and missing[f"{group} (ModuleNotFoundError: No module named '{lacks}')"] == "make setup"
    assert missing["CPU demo (make demo)"] == "see above"


def test_without_environment_and_compiler_both_are_named(machine: Machine) -> None:
    (machine.folder / "bin" / "c++").unlink()
    code, missing = machine.doctor(KISHI_VENV=str(machine.folder / "none"))
    assert code == 1 and missing["core (no .venv)"] == "make setup"
    assert "build-essential" in missing["C++ compiler (builds llama-cpp-python)"]


@enough
def test_a_cluster_machine_shows_its_gpus_job_and_containers(machine: Machine) -> None:
    machine.program("bin/nvidia-smi", "#!/bin/sh\necho 'NVIDIA H100 80GB HBM3, 81559 MiB'\necho 'NVIDIA H100 80GB HBM3, 81559 MiB'\n")
    machine.program("bin/sbatch", "#!/bin/sh\n")
    machine.program("bin/srun", "#!/bin/sh\necho '      --container-image=[USER@][REGISTRY#]IMAGE[:TAG]|PATH'\n")
    code, missing = machine.doctor(SLURM_JOB_ID="41")
    assert code == 0 and not [name for name in missing if "disk" not in name]
    assert "several GPUs (2)" in machine.text and "Slurm (sbatch, in job 41)" in machine.text


@enough
def test_a_driver_that_does_not_answer_is_no_gpu(machine: Machine) -> None:
    machine.program("bin/nvidia-smi", "#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n")
    assert "one GPU" in machine.doctor()[1]
