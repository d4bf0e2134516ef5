"""Without a GPU an installed Transformer Engine is as good as none: its kernels refuse the CPU, and exports would end there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # it loads Megatron

_LOADS = """
from train.cpu_engine import engine
with engine():
    from megatron.core.models.gpt.gpt_layer_specs import HAVE_TE
    from megatron.core.transformer.transformer_block import LayerNormImpl
    import megatron.bridge.training.pretrain
print("found", HAVE_TE, LayerNormImpl.__module__)
"""


def test_an_installed_transformer_engine_is_not_touched(tmp_path: Path) -> None:
    package = tmp_path / "transformer_engine"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('Transformer Engine was loaded')")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path.cwd()}", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", _LOADS], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = done.stdout.splitlines()[-1]
    assert found.startswith("found False") and "transformer_engine" not in found
