"""`requirements/setup.sh` where the machine's own torch lives in a virtual environment, as in NVIDIA's NeMo images."""

import os
import subprocess
import sys
from pathlib import Path


def test_torch_of_a_virtual_environment_is_seen(tmp_path: Path) -> None:
    outer, inner = tmp_path / "outer", tmp_path / "inner"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(outer)], check=True)
    site = next(outer.glob("lib/python*/site-packages"))
    (site / "torch.py").write_text("__version__ = 'the machine has it'\n")
    environment = {**os.environ, "PYTHON": str(outer / "bin" / "python"), "KISHI_VENV": str(inner), "PIP_NO_INDEX": "1"}
    done = subprocess.run(["requirements/setup.sh", "torch"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "installing build failed" in done.stderr and "make setup" in done.stderr  # there is no index to ask
    seen = subprocess.run(
        [inner / "bin" / "python", "-c", "import torch; print(torch.__version__)"], capture_output=True, text=True, check=True
    )
    assert seen.stdout == "the machine has it\n"
