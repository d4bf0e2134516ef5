"""What this machine can run, what is missing, and the fix. Standard library only: it works before `make setup`.

Usage: make doctor
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

VENV = Path(os.environ.get("KISHI_VENV", ".venv")) / "bin" / "python"
PROBES = {
    "core": "import pydantic, tokenizers, datatrove, heliport",
    "torch": "import torch",
    "train": "import transformers, datasets, omegaconf",
    "bridge": "import megatron.core, importlib.metadata; importlib.metadata.version('megatron-bridge')",
    "posttrain": "import trl",
    "gguf": "import gguf, llama_cpp",
    "eval": "import lm_eval",
}
# What speeds training up on a GPU. PyPI's `apex` is another project: only NVIDIA's has these modules.
KERNELS = {"Transformer Engine": "import transformer_engine.pytorch", "apex": "import amp_C, apex.optimizers"}
NEEDED_GB = {"disk": 12.0, "memory": 6.0}


def _imports(code: str) -> tuple[bool, str]:
    if not VENV.exists():
        return False, "no .venv"
    done = subprocess.run([VENV, "-c", code], capture_output=True, text=True, check=False)
    return done.returncode == 0, (done.stderr.strip().splitlines() or [""])[-1]


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def _gpus() -> list[str]:
    if not shutil.which("nvidia-smi"):
        return []
    done = subprocess.run(
        ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"], capture_output=True, text=True, check=False
    )
    return [line for line in done.stdout.splitlines() if line.strip()] if done.returncode == 0 else []


def _pyxis() -> bool:
    """Whether jobs can run in a container image."""
    if not shutil.which("srun"):
        return False
    return "--container-image" in subprocess.run(["srun", "--help"], capture_output=True, text=True, check=False).stdout


def _line(good: bool, what: str, fix: str = "") -> None:
    print(f"  {'ok     ' if good else 'missing'}  {what}{'' if good or not fix else f'  ->  {fix}'}")


def check_environment() -> bool:
    """Each group of requirements can be imported."""
    print("Environment")
    results = []
    for group, code in PROBES.items():
        good, why = _imports(code)
        results.append(good)
        _line(good, group if good else f"{group} ({why})", "make setup")
    return all(results)


def check_machine() -> bool:
    """Tools, memory and disk."""
    print("Machine")
    compiler = any(map(shutil.which, ("c++", "g++", "clang++")))
    _line(compiler, "C++ compiler (builds llama-cpp-python)", "apt-get install build-essential")
    memory, disk = _memory_gb(), shutil.disk_usage(".").free / 1e9
    _line(memory >= NEEDED_GB["memory"], f"{memory:.0f} GB of memory (the demo needs {NEEDED_GB['memory']:.0f})")
    _line(disk >= NEEDED_GB["disk"], f"{disk:.0f} GB of free disk (environment and demo need {NEEDED_GB['disk']:.0f})", "free some space")
    return compiler and memory >= NEEDED_GB["memory"]


def main() -> int:
    """Exit code 0 when at least the CPU demo can run."""
    machine, environment, gpus = check_machine(), check_environment(), _gpus()
    demo = machine and environment
    print("What can run here")
    _line(demo, "CPU demo (make demo)", "see above")
    _line(bool(gpus), f"one GPU ({gpus[0]})" if gpus else "one GPU", "needs an NVIDIA GPU and its driver (nvidia-smi)")
    _line(len(gpus) > 1, f"several GPUs ({len(gpus)})", "needs two or more")
    for name, code in KERNELS.items():
        _line(_imports(code)[0], name, "comes with NVIDIA's NeMo image (Dockerfile); training runs without it, slower")
    job = f", in job {os.environ['SLURM_JOB_ID']}" if "SLURM_JOB_ID" in os.environ else ""
    _line(bool(shutil.which("sbatch")), f"Slurm (sbatch{job})", "run on a cluster's login node (docs/slurm.md)")
    _line(_pyxis(), "containers in Slurm jobs (pyxis)", "leave CONTAINER empty in slurm/cluster.env")
    return 0 if demo else 1


if __name__ == "__main__":
    sys.exit(main())
